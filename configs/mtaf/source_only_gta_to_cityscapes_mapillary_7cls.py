# Source-only, G2CM: GTA5, tested on Cityscapes and Mapillary Vistas, 7 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101_7cls.py',
    '../_base_/datasets/mtaf_gta_to_cityscapes_mapillary_7cls.py',
    '../_base_/schedules/minent_120k_official_lr.py',
]
data = dict(train=dict(target=None))
