# Oracle: the toy world's European city with its labels.
_base_ = ['../_base_/recipes/source_only_toy.py', '../_base_/datasets/toy_cityscapes_128x256.py']
