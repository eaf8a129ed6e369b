# CoaST with pseudo-labels made on the fly: the toy world's rendered game to its European city and Indian roads.
# Set load_from to a checkpoint of configs/mtaf/mtkt_toy_gta_to_toy_cityscapes_idd.py: its heads start the self-training.
_base_ = [
    '../_base_/default_runtime.py', '../_base_/models/tiny_lite0.py', '../_base_/datasets/mtda_toy_gta_to_toy_cityscapes_idd_128x256.py',
    '../_base_/uda/coast.py', '../_base_/schedules/toy_500.py'
]
