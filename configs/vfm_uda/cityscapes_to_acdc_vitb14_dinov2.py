# VFM-UDA: Cityscapes to ACDC, DINOv2 ViT-B/14.
_base_ = ['../_base_/recipes/vfm_uda_vitb14_dinov2.py', '../_base_/datasets/vfm_cityscapes_to_acdc_1024x1024.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}, target={{_base_.ego_car}}))
