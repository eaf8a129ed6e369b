# DAFormer: its head on MiT-B0.
_base_ = [
    '../default_runtime.py',
    '../models/daformer_sepaspp_mitb0.py',
    '../uda/daformer.py',
    '../schedules/uda_40k_mit.py',
]
