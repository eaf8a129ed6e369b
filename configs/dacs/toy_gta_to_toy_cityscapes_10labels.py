# DACS with 10 labelled images: the toy world's rendered game to its European city.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/ssda_toy_gta_to_toy_cityscapes_128x256.py',
    '../_base_/uda/dacs.py',
    '../_base_/schedules/toy_500.py',
]
uda = dict(labeled_target=dict(supervise=1.0))
