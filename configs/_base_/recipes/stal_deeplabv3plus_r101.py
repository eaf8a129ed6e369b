# STAL as released: DeepLabV3+ on ResNet-101.
_base_ = [
    '../default_runtime.py',
    '../models/deeplabv3plus-rep_r101-d8.py',
    '../uda/stal_official.py',
    '../schedules/stal_40k.py',
]
