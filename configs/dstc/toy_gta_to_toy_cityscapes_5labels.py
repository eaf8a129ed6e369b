# DSTC, co-training: the toy world's rendered game and 5 labelled images of its European city. The recipe
# toy_gta_to_toy_cityscapes_5labels_stages.py makes the warm-ups and runs this config.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/ssda_toy_gta_to_toy_cityscapes_5labels_128x256.py',
    '../_base_/uda/dstc.py',
    '../_base_/schedules/toy_500.py',
]
