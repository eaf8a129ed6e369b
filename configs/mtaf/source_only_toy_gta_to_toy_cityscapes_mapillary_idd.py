# Source-only: the toy world's rendered game, tested on its European city, phone photographs and Indian roads.
_base_ = [
    '../_base_/recipes/source_only_toy.py',
    '../_base_/datasets/mtda_toy_gta_to_toy_cityscapes_mapillary_idd_128x256.py',
]
data = dict(train=dict(target=None))
