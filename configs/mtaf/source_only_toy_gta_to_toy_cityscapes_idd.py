# Source-only: the toy world's rendered game, tested on its European city and Indian roads.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/mtda_toy_gta_to_toy_cityscapes_idd_128x256.py',
    '../_base_/schedules/toy_500.py',
]
data = dict(train=dict(target=None))
