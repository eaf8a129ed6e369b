# AdvEnt with the targets merged: the toy world's rendered game to its European city, phone photographs and Indian roads.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/mtda_toy_gta_to_toy_cityscapes_mapillary_idd_128x256.py',
    '../_base_/uda/advent.py',
    '../_base_/schedules/adversarial_toy_500.py',
]
uda = dict(lambda_adv=dict(_delete_=True, main=0.001))
