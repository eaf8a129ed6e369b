# Target-only: supervised training on 5 labelled images of the toy world's European city alone.
_base_ = ['../_base_/recipes/st_toy.py', '../_base_/datasets/ssda_toy_gta_to_toy_cityscapes_5labels_128x256.py']
data = dict(train=dict(source=None, target=None))
