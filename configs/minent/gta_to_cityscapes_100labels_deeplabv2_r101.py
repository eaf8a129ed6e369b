# MinEnt with 100 labelled images: GTA5 to Cityscapes, DeepLabV2 on ResNet-101, effective learning rates of the released optimiser.
_base_ = ['../_base_/recipes/minent_deeplabv2_r101.py', '../_base_/datasets/ssda_advent_gta_to_cityscapes.py']
uda = dict(labeled_target=dict(supervise=1.0))
