# Oracle: DeepLabV2 (two dilations) on ResNet-101 on the labels of Cityscapes at half resolution.
_base_ = ['../_base_/recipes/source_only_deeplabv2_r101.py', '../_base_/datasets/cityscapes_half_512x512.py']
