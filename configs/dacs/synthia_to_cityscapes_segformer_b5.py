# DACS: SYNTHIA to Cityscapes, SegFormer-B5.
_base_ = ['../_base_/recipes/dacs_segformer_b5.py', '../_base_/datasets/uda_synthia_to_cityscapes_512x512.py']
