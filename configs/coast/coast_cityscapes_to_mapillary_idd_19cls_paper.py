# CoaST, second stage, C2MI: Cityscapes to Mapillary Vistas and IDD, 19 classes; losses, statistics and labels as in the paper.
# cityscapes_to_mapillary_idd_19cls_paper_stages.py runs both stages.
_base_ = ['coast_cityscapes_to_mapillary_idd_19cls.py']
_targets = [{{_base_.exact_targets.classes19.mapillary}}, {{_base_.exact_targets.classes19.idd}}]
data = dict(train=dict(target=_targets))
uda = dict(loss_mode='paper', styliser=dict(mode='clean'))
