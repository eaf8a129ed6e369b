# CoaST, first stage, G2CI: GTA5 to Cityscapes and IDD, 7 classes.
_base_ = ['../_base_/recipes/coast_warmup_deeplabv2_r101.py', '../_base_/datasets/mtda_7cls.py']
data = {{_base_.settings.gta_to_cityscapes_idd}}
