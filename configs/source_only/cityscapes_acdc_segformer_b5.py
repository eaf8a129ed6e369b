# Source-only: SegFormer-B5 on Cityscapes, tested on ACDC.
_base_ = ['../_base_/recipes/source_only_segformer_b5.py', '../_base_/datasets/cityscapes_acdc_512x512.py']
