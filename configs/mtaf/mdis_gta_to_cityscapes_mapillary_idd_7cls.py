# MDis, G2CMI: GTA5 to Cityscapes, Mapillary Vistas and IDD, 7 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101_7cls.py',
    '../_base_/datasets/mtaf_gta_to_cityscapes_mapillary_idd_7cls.py',
    '../_base_/uda/mdis.py',
    '../_base_/schedules/advent_120k_official_lr.py',
]
uda = dict(official=True)
