# CoaST, second stage, G2CI: GTA5 to Cityscapes and IDD, 7 classes; losses, statistics and labels as in the paper.
# gta_to_cityscapes_idd_7cls_paper_stages.py runs both stages.
_base_ = ['../_base_/recipes/coast_paper_deeplabv2_r101.py', '../_base_/datasets/coast_paper_7cls.py']
data = {{_base_.settings.gta_to_cityscapes_idd}}
