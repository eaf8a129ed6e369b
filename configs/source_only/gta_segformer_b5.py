# Source-only: SegFormer-B5 on GTA5, tested on Cityscapes.
_base_ = ['../_base_/recipes/source_only_segformer_b5.py', '../_base_/datasets/gta_512x512.py']
