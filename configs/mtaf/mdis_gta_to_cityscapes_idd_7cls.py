# MDis, G2CI: GTA5 to Cityscapes and IDD, 7 classes.
_base_ = ['../_base_/recipes/mdis_deeplabv2_r101.py', '../_base_/datasets/mtaf_7cls.py']
data = {{_base_.settings.gta_to_cityscapes_idd}}
