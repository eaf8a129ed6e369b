# MTKT, I2CM: IDD to Cityscapes and Mapillary Vistas, 19 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101.py',
    '../_base_/datasets/mtaf_idd_to_cityscapes_mapillary_19cls.py',
    '../_base_/uda/mtkt.py',
    '../_base_/schedules/advent_120k_official_lr.py',
]
uda = dict(official=True, teacher_start=20000)
