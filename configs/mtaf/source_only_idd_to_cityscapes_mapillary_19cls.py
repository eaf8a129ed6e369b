# Source-only, I2CM: IDD, tested on Cityscapes and Mapillary Vistas, 19 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101.py',
    '../_base_/datasets/mtaf_idd_to_cityscapes_mapillary_19cls.py',
    '../_base_/schedules/minent_120k_official_lr.py',
]
data = dict(train=dict(target=None))
