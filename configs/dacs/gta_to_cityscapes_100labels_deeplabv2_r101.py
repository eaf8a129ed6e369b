# DACS with 100 labelled images: GTA5 to Cityscapes, DeepLabV2 (two dilations) on ResNet-101.
_base_ = ['../_base_/recipes/dacs_deeplabv2_r101.py', '../_base_/datasets/ssda_gta_to_cityscapes_512x512.py']
uda = dict(labeled_target=dict(supervise=1.0))
