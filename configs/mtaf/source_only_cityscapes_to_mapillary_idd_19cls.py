# Source-only, C2MI: Cityscapes, tested on Mapillary Vistas and IDD, 19 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101.py',
    '../_base_/datasets/mtaf_cityscapes_to_mapillary_idd_19cls.py',
    '../_base_/schedules/minent_120k_official_lr.py',
]
data = dict(train=dict(target=None))
