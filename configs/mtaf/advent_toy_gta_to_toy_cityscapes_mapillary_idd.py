# AdvEnt with the targets merged: the toy world's rendered game to its European city, phone photographs and Indian roads.
_base_ = [
    '../_base_/recipes/advent_toy.py',
    '../_base_/datasets/mtda_toy_gta_to_toy_cityscapes_mapillary_idd_128x256.py',
]
