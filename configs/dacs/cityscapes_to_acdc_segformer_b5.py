# DACS: Cityscapes to ACDC, SegFormer-B5.
_base_ = ['../_base_/recipes/dacs_segformer_b5.py', '../_base_/datasets/uda_cityscapes_to_acdc_512x512.py']
