# Source-only: DeepLabV2 (two dilations) on ResNet-101 on GTA5, tested on Cityscapes.
_base_ = ['../_base_/recipes/source_only_deeplabv2_r101.py', '../_base_/datasets/gta_512x512.py']
