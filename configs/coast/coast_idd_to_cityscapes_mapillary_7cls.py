# CoaST, second stage, I2CM: IDD to Cityscapes and Mapillary Vistas, 7 classes; as released.
# idd_to_cityscapes_mapillary_7cls_stages.py runs both stages.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_coast_r101_7cls.py',
    '../_base_/datasets/mtda_idd_to_cityscapes_mapillary_7cls.py',
    '../_base_/uda/coast_official.py',
    '../_base_/schedules/coast_60k.py',
]
_targets = [{{_base_.pseudo_targets.classes7.cityscapes}}, {{_base_.pseudo_targets.classes7.mapillary}}]
data = dict(train=dict(target=_targets))
