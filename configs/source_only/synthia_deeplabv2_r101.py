# Source-only: DeepLabV2 (two dilations) on ResNet-101 on SYNTHIA, tested on Cityscapes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2red_r101-d8.py',
    '../_base_/datasets/synthia_512x512.py',
    '../_base_/schedules/uda_40k_cnn.py',
]
