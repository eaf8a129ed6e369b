# Source-only: DeepLabV2 (two dilations) on ResNet-101 on Cityscapes, tested on ACDC.
_base_ = ['../_base_/recipes/source_only_deeplabv2_r101.py', '../_base_/datasets/cityscapes_acdc_512x512.py']
