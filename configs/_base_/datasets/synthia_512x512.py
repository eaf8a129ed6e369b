# Source-only training on SYNTHIA with photometric distortion, evaluated on Cityscapes.
_base_ = ['uda_synthiaCAug_to_cityscapes_512x512.py']
data = dict(train=dict(target=None))
