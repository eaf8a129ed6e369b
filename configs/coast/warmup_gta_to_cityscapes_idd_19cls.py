# CoaST, first stage, G2CI: GTA5 to Cityscapes and IDD, 19 classes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_coast_r101_frozenbn.py',
    '../_base_/datasets/mtda_gta_to_cityscapes_idd_19cls.py',
    '../_base_/uda/coast_warmup.py',
    '../_base_/schedules/coast_warmup_60k.py',
]
