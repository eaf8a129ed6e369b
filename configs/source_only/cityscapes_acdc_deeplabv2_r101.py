# Source-only: DeepLabV2 (two dilations) on ResNet-101 on Cityscapes, tested on ACDC.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2red_r101-d8.py',
    '../_base_/datasets/cityscapes_acdc_512x512.py',
    '../_base_/schedules/uda_40k_cnn.py',
]
