# Source-only training on GTA5 with photometric distortion, evaluated on Cityscapes.
_base_ = ['uda_gtaCAug_to_cityscapes_512x512.py']
data = dict(train=dict(target=None))
