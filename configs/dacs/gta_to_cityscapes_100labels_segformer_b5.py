# DACS with 100 labelled images: GTA5 to Cityscapes, SegFormer-B5.
_base_ = ['../_base_/recipes/dacs_segformer_b5.py', '../_base_/datasets/ssda_gta_to_cityscapes_512x512.py']
uda = dict(labeled_target=dict(supervise=1.0))
