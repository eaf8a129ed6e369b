# HRDA(DAFormer head, MiT-B0).
_base_ = [
    '../default_runtime.py',
    '../models/hrda_daformer_mitb0.py',
    '../uda/daformer.py',
    '../schedules/uda_40k_mit.py',
]
