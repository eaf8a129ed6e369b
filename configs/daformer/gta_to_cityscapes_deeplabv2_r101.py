# DAFormer: GTA5 to Cityscapes, DeepLabV2 (two dilations) on ResNet-101.
_base_ = ['../_base_/recipes/daformer_deeplabv2_r101.py', '../_base_/datasets/uda_gta_to_cityscapes_512x512.py']
uda = {{_base_.ego_car}}
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
