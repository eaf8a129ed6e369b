# Source warm-up of DSTC: GTA5 alone, tested on Cityscapes.
_base_ = ['gta_to_cityscapes_100labels_st_deeplabv2_r101.py']
data = dict(train=dict(labeled_target=None))
