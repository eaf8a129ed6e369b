# Source-only: DeepLabV2 (two dilations) on ResNet-101 on Cityscapes, tested on Dark Zurich.
_base_ = ['../_base_/recipes/source_only_deeplabv2_r101.py', '../_base_/datasets/cityscapes_darkzurich_512x512.py']
