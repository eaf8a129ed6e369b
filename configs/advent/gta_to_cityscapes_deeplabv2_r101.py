# AdvEnt: GTA5 to Cityscapes, DeepLabV2 on ResNet-101, effective learning rates of the released optimiser.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101.py',
    '../_base_/datasets/advent_gta_to_cityscapes.py',
    '../_base_/uda/advent.py',
    '../_base_/schedules/advent_120k_official_lr.py',
]
