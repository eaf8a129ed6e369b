# DACS: GTA5 to Cityscapes, SegFormer's head on timm's ConvNeXt-T.
_base_ = ['../_base_/recipes/dacs_segformer_convnext_tiny.py', '../_base_/datasets/uda_gta_to_cityscapes_512x512.py']
