# MIC without HRDA: GTA5 to Cityscapes, the DAFormer head on DINOv2 ViT-B/14.
_base_ = [
    '../_base_/recipes/mic_daformer_vitb14_dinov2.py',
    '../_base_/datasets/uda_gta_to_cityscapes_512x512.py',
]
uda = {{_base_.ego_car}}
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
