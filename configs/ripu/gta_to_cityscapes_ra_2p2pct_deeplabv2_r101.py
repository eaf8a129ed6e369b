# RIPU-RA: GTA5 to Cityscapes, 2.2 % of the pixels of every image. DeepLabV2 on ResNet-101.
_base_ = ['../_base_/recipes/ripu_deeplabv2_r101.py', '../_base_/active/ripu_gta_to_cityscapes_1280x640.py']
