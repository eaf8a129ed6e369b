# AdvEnt: the toy world's rendered game to its European city.
_base_ = ['../_base_/recipes/advent_toy.py', '../_base_/datasets/uda_toy_gta_to_toy_cityscapes_128x256.py']
