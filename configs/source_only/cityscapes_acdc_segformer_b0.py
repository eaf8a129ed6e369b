# Source-only: SegFormer-B0 on Cityscapes, tested on ACDC.
_base_ = ['../_base_/recipes/source_only_segformer_b0.py', '../_base_/datasets/cityscapes_acdc_512x512.py']
