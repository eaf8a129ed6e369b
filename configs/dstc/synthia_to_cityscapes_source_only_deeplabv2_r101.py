# Source warm-up of DSTC: SYNTHIA alone, tested on Cityscapes.
_base_ = ['synthia_to_cityscapes_100labels_st_deeplabv2_r101.py']
data = dict(train=dict(labeled_target=None))
