# RIPU-RA: the toy world's rendered game to its European city, 2.2 % of the pixels of every image.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/uda/ripu_small.py',
    '../_base_/active/ripu_toy_gta_to_toy_cityscapes_128x256.py',
    '../_base_/schedules/toy_500.py',
]
