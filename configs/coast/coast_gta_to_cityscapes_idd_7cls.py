# CoaST, second stage, G2CI: GTA5 to Cityscapes and IDD, 7 classes; as released. gta_to_cityscapes_idd_7cls_stages.py runs both stages.
_base_ = ['../_base_/recipes/coast_deeplabv2_r101.py', '../_base_/datasets/coast_7cls.py']
data = {{_base_.settings.gta_to_cityscapes_idd}}
