# Source-only: SegFormer-B5 on SYNTHIA, tested on Cityscapes.
_base_ = ['../_base_/recipes/source_only_segformer_b5.py', '../_base_/datasets/synthia_512x512.py']
