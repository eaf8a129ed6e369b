# AdvEnt with the targets merged, G2CI: GTA5 to Cityscapes and IDD, 7 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101_7cls.py',
    '../_base_/datasets/mtaf_gta_to_cityscapes_idd_7cls.py',
    '../_base_/uda/advent.py',
    '../_base_/schedules/advent_120k_official_lr.py',
]
