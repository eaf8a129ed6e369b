# DACS: SYNTHIA to Cityscapes, SegFormer-B0.
_base_ = ['../_base_/recipes/dacs_segformer_b0.py', '../_base_/datasets/uda_synthia_to_cityscapes_512x512.py']
