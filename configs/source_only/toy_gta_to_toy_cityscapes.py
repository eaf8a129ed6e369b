# Source-only: the toy world's rendered game, tested on its European city.
_base_ = ['../_base_/recipes/source_only_toy.py', '../_base_/datasets/toy_gta_128x256.py']
