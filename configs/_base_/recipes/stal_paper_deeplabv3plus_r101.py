# STAL as the paper describes it: DeepLabV3+ on ResNet-101.
_base_ = [
    '../default_runtime.py',
    '../models/deeplabv3plus-rep_r101-d8.py',
    '../uda/stal.py',
    '../schedules/stal_40k.py',
]
