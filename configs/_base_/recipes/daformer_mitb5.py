# DAFormer: its network (MiT-B5).
_base_ = [
    '../default_runtime.py',
    '../models/daformer_sepaspp_mitb5.py',
    '../uda/daformer.py',
    '../schedules/uda_40k_mit.py',
]
