# RIPU without source data: DeepLabV2 on ResNet-101.
_base_ = [
    '../default_runtime.py',
    '../models/ripu_deeplabv2_r101.py',
    '../uda/ripu.py',
    '../schedules/ripu_sourcefree_30k.py',
]
