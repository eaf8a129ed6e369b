# CoaST, second stage, I2CM: IDD to Cityscapes and Mapillary Vistas, 7 classes; losses, statistics and labels as in the paper.
# idd_to_cityscapes_mapillary_7cls_paper_stages.py runs both stages.
_base_ = ['coast_idd_to_cityscapes_mapillary_7cls.py']
_targets = [{{_base_.exact_targets.classes7.cityscapes}}, {{_base_.exact_targets.classes7.mapillary}}]
data = dict(train=dict(target=_targets))
uda = dict(loss_mode='paper', styliser=dict(mode='clean'))
