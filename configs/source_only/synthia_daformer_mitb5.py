# Source-only: the DAFormer network (MiT-B5) on SYNTHIA, tested on Cityscapes.
_base_ = ['../_base_/recipes/source_only_daformer_mitb5.py', '../_base_/datasets/synthia_512x512.py']
