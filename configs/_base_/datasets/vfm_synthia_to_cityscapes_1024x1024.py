# SYNTHIA-RAND-CITYSCAPES to Cityscapes as VFM-UDA loads them.
_base_ = ['vfm_gta_to_cityscapes_1024x1024.py']
data = dict(train=dict(source={{_base_.synthia}}))
