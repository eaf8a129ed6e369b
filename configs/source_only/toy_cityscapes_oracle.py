# Oracle: the toy world's European city with its labels.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/toy_cityscapes_128x256.py',
    '../_base_/schedules/toy_500.py',
]
