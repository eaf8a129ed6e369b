# S+T: supervised training on GTA5 and 100 labelled Cityscapes images; no unlabelled image.
_base_ = ['../_base_/recipes/st_deeplabv2_r101.py', '../_base_/datasets/dstc_gta_to_cityscapes_100labels.py']
data = dict(train=dict(target=None))
