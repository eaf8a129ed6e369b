# Source-only, M2CI: Mapillary Vistas, tested on Cityscapes and IDD, 7 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101_7cls.py',
    '../_base_/datasets/mtaf_mapillary_to_cityscapes_idd_7cls.py',
    '../_base_/schedules/minent_120k_official_lr.py',
]
data = dict(train=dict(target=None))
