# CoaST, second stage, G2CM: GTA5 to Cityscapes and Mapillary Vistas, 19 classes; as released.
# gta_to_cityscapes_mapillary_19cls_stages.py runs both stages.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_coast_r101.py',
    '../_base_/datasets/mtda_gta_to_cityscapes_mapillary_19cls.py',
    '../_base_/uda/coast_official.py',
    '../_base_/schedules/coast_60k.py',
]
_targets = [{{_base_.pseudo_targets.classes19.cityscapes}}, {{_base_.pseudo_targets.classes19.mapillary}}]
data = dict(train=dict(target=_targets))
