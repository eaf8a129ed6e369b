# Source warm-up of DSTC: SYNTHIA alone, tested on Cityscapes.
_base_ = ['../_base_/recipes/st_deeplabv2_r101.py', '../_base_/datasets/dstc_synthia_to_cityscapes_100labels.py']
data = dict(train=dict(target=None, labeled_target=None))
