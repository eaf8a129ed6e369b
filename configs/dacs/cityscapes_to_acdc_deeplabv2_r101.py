# DACS: Cityscapes to ACDC, DeepLabV2 (two dilations) on ResNet-101.
_base_ = ['../_base_/recipes/dacs_deeplabv2_r101.py', '../_base_/datasets/uda_cityscapes_to_acdc_512x512.py']
