# Source-only training on the toy world's rendered game, evaluated on its European city.
_base_ = ['uda_toy_gta_to_toy_cityscapes_128x256.py']
data = dict(train=dict(target=None))
