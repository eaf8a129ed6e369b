# MIC without HRDA: the DAFormer head on DINOv2 ViT-B/14.
_base_ = [
    '../default_runtime.py',
    '../models/daformer_sepaspp_vitb14_dinov2.py',
    '../uda/mic.py',
    '../schedules/uda_40k_vit.py',
]
