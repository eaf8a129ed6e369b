# STAL: GTA5 to Cityscapes, 30 + 35 images (2.2 %). DeepLabV3+ on ResNet-101.
_base_ = ['../_base_/recipes/stal_deeplabv3plus_r101.py', '../_base_/active/stal_official_gta_to_cityscapes_769x769.py']
active = dict(budget=dict(images=[35]))
