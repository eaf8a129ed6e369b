# MDis, G2MI: GTA5 to Mapillary Vistas and IDD, 19 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101.py',
    '../_base_/datasets/mtaf_gta_to_mapillary_idd_19cls.py',
    '../_base_/uda/mdis.py',
    '../_base_/schedules/advent_120k_official_lr.py',
]
uda = dict(official=True)
