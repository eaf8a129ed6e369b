# FDA: GTA5 to Cityscapes, DeepLabV2 (two dilations) on ResNet-101.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2red_r101-d8.py',
    '../_base_/datasets/uda_gta_to_cityscapes_512x512.py',
    '../_base_/uda/fda.py',
    '../_base_/schedules/uda_40k_cnn.py',
]
