# VFM-UDA++ with all synthetic sources: GTA5, SYNTHIA and Synscapes to five targets, DINOv2 ViT-L/14.
_base_ = [
    '../_base_/recipes/vfm_udapp_vitl14_dinov2.py',
    '../_base_/datasets/vfm_synthetic_to_five_targets_1024x1024.py',
]
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
