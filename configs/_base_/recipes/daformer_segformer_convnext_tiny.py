# DAFormer's training: SegFormer's head on timm's ConvNeXt-T.
_base_ = [
    '../default_runtime.py',
    '../models/segformer_convnext_tiny.py',
    '../uda/daformer.py',
    '../schedules/uda_40k_vit.py',
]
