# STAL: GTA5 to Cityscapes, 30 images (1 %) and nothing else bought. DeepLabV3+ on ResNet-101.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv3plus-rep_r101-d8.py',
    '../_base_/uda/stal_official.py',
    '../_base_/active/stal_official_gta_to_cityscapes_769x769.py',
    '../_base_/schedules/stal_40k.py',
]
active = dict(budget=dict(images=[]))
