# AdvEnt: SYNTHIA to Cityscapes (16 classes), DeepLabV2 on ResNet-101, effective learning rates of the released optimiser.
_base_ = ['../_base_/recipes/advent_deeplabv2_r101.py', '../_base_/datasets/advent_synthia_to_cityscapes.py']
