# Source-only: SegFormer's head on timm's ConvNeXt-T, GTA5, tested on Cityscapes.
_base_ = ['../_base_/recipes/source_only_segformer_convnext_tiny.py', '../_base_/datasets/gta_512x512.py']
