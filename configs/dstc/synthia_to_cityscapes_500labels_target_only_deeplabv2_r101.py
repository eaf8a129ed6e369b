# Target-only, also the target warm-up of DSTC: supervised training on 500 labelled Cityscapes images, 16 classes.
_base_ = ['../_base_/recipes/st_deeplabv2_r101.py', '../_base_/datasets/dstc_synthia_to_cityscapes_500labels.py']
data = dict(train=dict(source=None, target=None))
