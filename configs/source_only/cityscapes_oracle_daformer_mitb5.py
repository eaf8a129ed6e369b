# Oracle: the DAFormer network (MiT-B5) on the labels of Cityscapes at half resolution.
_base_ = ['../_base_/recipes/source_only_daformer_mitb5.py', '../_base_/datasets/cityscapes_half_512x512.py']
