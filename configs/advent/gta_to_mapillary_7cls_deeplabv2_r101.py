# AdvEnt: GTA5 to Mapillary Vistas (7 super classes), DeepLabV2 on ResNet-101, effective learning rates of the released optimiser.
_base_ = ['../_base_/recipes/advent_deeplabv2_r101.py', '../_base_/datasets/advent_gta_to_mapillary_7cls.py']
