# VFM-UDA with low-rank updates of a frozen encoder: GTA5 to Cityscapes, DINOv2 ViT-L/14. The encoder trains at the rate of the head.
_base_ = ['../_base_/recipes/vfm_uda_vitl14_dinov2.py', '../_base_/datasets/vfm_gta_to_cityscapes_1024x1024.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}, target={{_base_.ego_car}}))
model = dict(backbone=dict(lora=dict(rank=16, alpha=16)))
optimizer = dict(paramwise_cfg=dict(backbone_mult=1.0))
