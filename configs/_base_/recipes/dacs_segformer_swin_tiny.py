# DACS: SegFormer's head on timm's Swin-T.
_base_ = [
    '../default_runtime.py',
    '../models/segformer_swin_tiny.py',
    '../uda/dacs.py',
    '../schedules/uda_40k_vit.py',
]
