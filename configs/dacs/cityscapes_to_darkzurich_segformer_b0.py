# DACS: Cityscapes to Dark Zurich, SegFormer-B0.
_base_ = ['../_base_/recipes/dacs_segformer_b0.py', '../_base_/datasets/uda_cityscapes_to_darkzurich_512x512.py']
