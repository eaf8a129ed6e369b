# CoaST, second stage, G2CMI: GTA5 to Cityscapes, Mapillary Vistas and IDD, 19 classes; losses, statistics and labels as in the paper.
# gta_to_cityscapes_mapillary_idd_19cls_paper_stages.py runs both stages.
_base_ = ['coast_gta_to_cityscapes_mapillary_idd_19cls.py']
_targets = [
    {{_base_.exact_targets.classes19.cityscapes}},
    {{_base_.exact_targets.classes19.mapillary}},
    {{_base_.exact_targets.classes19.idd}},
]
data = dict(train=dict(target=_targets))
uda = dict(loss_mode='paper', styliser=dict(mode='clean'))
