# Source only on a small vision transformer: the toy world's rendered game, scored on its European city.
_base_ = ['../_base_/recipes/source_only_vit_toy.py', '../_base_/datasets/toy_gta_128x256.py']
