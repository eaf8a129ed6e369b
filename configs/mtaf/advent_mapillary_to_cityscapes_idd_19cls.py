# AdvEnt with the targets merged, M2CI: Mapillary Vistas to Cityscapes and IDD, 19 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101.py',
    '../_base_/datasets/mtaf_mapillary_to_cityscapes_idd_19cls.py',
    '../_base_/uda/advent.py',
    '../_base_/schedules/advent_120k_official_lr.py',
]
