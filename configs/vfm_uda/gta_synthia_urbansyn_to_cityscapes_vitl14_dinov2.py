# VFM-UDA: GTA5, SYNTHIA and UrbanSyn to Cityscapes, DINOv2 ViT-L/14.
_base_ = [
    '../_base_/recipes/vfm_uda_vitl14_dinov2.py',
    '../_base_/datasets/vfm_gta_synthia_urbansyn_to_cityscapes_1024x1024.py',
]
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}, target={{_base_.ego_car}}))
