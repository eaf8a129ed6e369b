# Source-only: SegFormer-B0 on SYNTHIA, tested on Cityscapes.
_base_ = ['../_base_/recipes/source_only_segformer_b0.py', '../_base_/datasets/synthia_512x512.py']
