# STAL: the toy world's rendered game to its European city, 3 + 4 + 8 images by entropy (1 %, 2.3 %, 5 %).
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/uda/stal_toy.py',
    '../_base_/active/stal_toy_gta_to_toy_cityscapes_128x256.py',
    '../_base_/schedules/toy_500.py',
]
