# CoaST, first stage: the toy world's rendered game to its European city and Indian roads.
_base_ = ['../_base_/recipes/coast_warmup_toy.py', '../_base_/datasets/mtda_toy_gta_to_toy_cityscapes_idd_128x256.py']
