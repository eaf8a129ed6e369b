# VFM-UDA: GTA5 to Cityscapes, DINOv3 ViT-L/16.
_base_ = ['../_base_/recipes/vfm_uda_vitl16_dinov3.py', '../_base_/datasets/vfm_gta_to_cityscapes_1024x1024.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}, target={{_base_.ego_car}}))
