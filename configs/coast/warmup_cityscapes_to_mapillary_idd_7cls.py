# CoaST, first stage, C2MI: Cityscapes to Mapillary Vistas and IDD, 7 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_coast_r101_frozenbn_7cls.py',
    '../_base_/datasets/mtda_cityscapes_to_mapillary_idd_7cls.py',
    '../_base_/uda/coast_warmup.py',
    '../_base_/schedules/coast_warmup_60k.py',
]
