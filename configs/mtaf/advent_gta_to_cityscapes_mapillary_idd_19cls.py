# AdvEnt with the targets merged, G2CMI: GTA5 to Cityscapes, Mapillary Vistas and IDD, 19 classes.
_base_ = ['../_base_/recipes/advent_deeplabv2_r101.py', '../_base_/datasets/mtaf_19cls.py']
data = {{_base_.settings.gta_to_cityscapes_mapillary_idd}}
