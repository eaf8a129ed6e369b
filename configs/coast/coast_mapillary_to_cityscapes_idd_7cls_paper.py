# CoaST, second stage, M2CI: Mapillary Vistas to Cityscapes and IDD, 7 classes; losses, statistics and labels as in the paper.
# mapillary_to_cityscapes_idd_7cls_paper_stages.py runs both stages.
_base_ = ['coast_mapillary_to_cityscapes_idd_7cls.py']
_targets = [{{_base_.exact_targets.classes7.cityscapes}}, {{_base_.exact_targets.classes7.idd}}]
data = dict(train=dict(target=_targets))
uda = dict(loss_mode='paper', styliser=dict(mode='clean'))
