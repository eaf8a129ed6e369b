# MIC: HRDA(DAFormer head, DINOv3 ViT-B/16).
_base_ = [
    '../default_runtime.py',
    '../models/hrda_daformer_vitb16_dinov3.py',
    '../uda/mic_hrda.py',
    '../schedules/uda_40k_vit.py',
]
