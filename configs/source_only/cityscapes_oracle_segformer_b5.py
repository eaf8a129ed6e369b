# Oracle: SegFormer-B5 on the labels of Cityscapes at half resolution.
_base_ = ['../_base_/recipes/source_only_segformer_b5.py', '../_base_/datasets/cityscapes_half_512x512.py']
