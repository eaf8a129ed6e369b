# Source-only: the toy world's rendered game, tested on its European city.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/toy_gta_128x256.py',
    '../_base_/schedules/toy_500.py',
]
