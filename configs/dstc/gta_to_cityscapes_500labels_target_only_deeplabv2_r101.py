# Target-only, also the target warm-up of DSTC: supervised training on 500 labelled Cityscapes images.
_base_ = ['../_base_/recipes/st_deeplabv2_r101.py', '../_base_/datasets/dstc_gta_to_cityscapes_500labels.py']
data = dict(train=dict(source=None, target=None))
