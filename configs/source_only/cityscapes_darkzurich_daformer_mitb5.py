# Source-only: the DAFormer network (MiT-B5) on Cityscapes, tested on Dark Zurich.
_base_ = ['../_base_/recipes/source_only_daformer_mitb5.py', '../_base_/datasets/cityscapes_darkzurich_512x512.py']
