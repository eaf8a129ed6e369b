# Source-only, G2CMI: GTA5, tested on Cityscapes, Mapillary Vistas and IDD, 19 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101.py',
    '../_base_/datasets/mtaf_gta_to_cityscapes_mapillary_idd_19cls.py',
    '../_base_/schedules/minent_120k_official_lr.py',
]
data = dict(train=dict(target=None))
