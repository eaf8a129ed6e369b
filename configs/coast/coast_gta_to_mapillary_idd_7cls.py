# CoaST, second stage, G2MI: GTA5 to Mapillary Vistas and IDD, 7 classes; as released.
# gta_to_mapillary_idd_7cls_stages.py runs both stages.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_coast_r101_7cls.py',
    '../_base_/datasets/mtda_gta_to_mapillary_idd_7cls.py',
    '../_base_/uda/coast_official.py',
    '../_base_/schedules/coast_60k.py',
]
_targets = [{{_base_.pseudo_targets.classes7.mapillary}}, {{_base_.pseudo_targets.classes7.idd}}]
data = dict(train=dict(target=_targets))
