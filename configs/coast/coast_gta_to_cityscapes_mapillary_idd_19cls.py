# CoaST, second stage, G2CMI: GTA5 to Cityscapes, Mapillary Vistas and IDD, 19 classes; as released. gta_to_cityscapes_mapillary_idd_19cls_stages.py runs both stages.
_base_ = ['../_base_/recipes/coast_deeplabv2_r101.py', '../_base_/datasets/coast_19cls.py']
data = {{_base_.settings.gta_to_cityscapes_mapillary_idd}}
