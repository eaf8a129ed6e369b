# Target-only, also the target warm-up of DSTC: supervised training on 200 labelled Cityscapes images, 16 classes.
_base_ = ['synthia_to_cityscapes_200labels_st_deeplabv2_r101.py']
data = dict(train=dict(source=None))
