# S+T: supervised training on SYNTHIA and 500 labelled Cityscapes images; no unlabelled image.
_base_ = ['../_base_/recipes/st_deeplabv2_r101.py', '../_base_/datasets/dstc_synthia_to_cityscapes_500labels.py']
data = dict(train=dict(target=None))
