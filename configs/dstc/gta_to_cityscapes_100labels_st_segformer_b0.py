# S+T with SegFormer-B0: supervised training on GTA5 and 100 labelled Cityscapes images; no unlabelled image.
_base_ = ['../_base_/recipes/st_segformer_b0.py', '../_base_/datasets/ssda_gta_to_cityscapes_512x512.py']
data = dict(train=dict(target=None))
