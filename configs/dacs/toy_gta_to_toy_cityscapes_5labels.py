# DACS with 5 labelled images: the toy world's rendered game to its European city.
_base_ = ['../_base_/recipes/dacs_toy.py', '../_base_/datasets/ssda_toy_gta_to_toy_cityscapes_5labels_128x256.py']
uda = dict(labeled_target=dict(supervise=1.0))
