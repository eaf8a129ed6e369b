# AdaptSegNet: GTA5 to Cityscapes, DeepLabV2 on ResNet-101, effective learning rates of the released optimiser; two of four dilations act.
_base_ = ['../_base_/recipes/adaptsegnet_deeplabv2_r101.py', '../_base_/datasets/advent_gta_to_cityscapes.py']
