# MIC: GTA5 to Cityscapes, HRDA(DAFormer head, DINOv3 ViT-B/16).
_base_ = [
    '../_base_/recipes/mic_hrda_daformer_vitb16_dinov3.py',
    '../_base_/datasets/uda_gtaHR_to_cityscapesHR_1024x1024.py',
]
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}, target={{_base_.ego_car}}))
