# Oracle: DeepLabV2 (two dilations) on ResNet-101 on the labels of Cityscapes at half resolution.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2red_r101-d8.py',
    '../_base_/datasets/cityscapes_half_512x512.py',
    '../_base_/schedules/uda_40k_cnn.py',
]
