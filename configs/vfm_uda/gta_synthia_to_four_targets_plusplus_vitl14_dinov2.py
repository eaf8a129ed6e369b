# VFM-UDA++ with more data: GTA5 and SYNTHIA to four targets, DINOv2 ViT-L/14.
_base_ = [
    '../_base_/recipes/vfm_udapp_vitl14_dinov2.py',
    '../_base_/datasets/vfm_gta_synthia_to_four_targets_1024x1024.py',
]
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
