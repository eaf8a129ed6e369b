# CoaST, second stage, G2CMI: GTA5 to Cityscapes, Mapillary Vistas and IDD, 19 classes; losses, statistics and labels as in the paper.
# gta_to_cityscapes_mapillary_idd_19cls_paper_stages.py runs both stages.
_base_ = ['../_base_/recipes/coast_paper_deeplabv2_r101.py', '../_base_/datasets/coast_paper_19cls.py']
data = {{_base_.settings.gta_to_cityscapes_mapillary_idd}}
