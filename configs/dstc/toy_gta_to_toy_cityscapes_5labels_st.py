# S+T: supervised training on the toy world's rendered game and 5 labelled images of its European city; no unlabelled image.
_base_ = ['../_base_/recipes/st_toy.py', '../_base_/datasets/ssda_toy_gta_to_toy_cityscapes_5labels_128x256.py']
data = dict(train=dict(target=None))
