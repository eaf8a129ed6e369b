# STAL: SYNTHIA to Cityscapes, 30 images (1 %) and nothing else bought. DeepLabV3+ on ResNet-101.
_base_ = [
    '../_base_/recipes/stal_deeplabv3plus_r101.py',
    '../_base_/active/stal_official_synthia_to_cityscapes_769x769.py',
]
active = dict(budget=dict(images=[]))
