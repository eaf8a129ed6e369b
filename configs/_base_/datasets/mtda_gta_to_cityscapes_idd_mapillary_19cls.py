# GTA5 (labelled) to Cityscapes, IDD and Mapillary Vistas, 19 classes.
_base_ = ['mtda_gta_to_cityscapes_idd_19cls.py']
_tests = [
    {{_base_.tests.classes19.cityscapes}},
    {{_base_.tests.classes19.idd}},
    {{_base_.tests.classes19.mapillary}},
]
_targets = [
    {{_base_.train_streams.classes19.cityscapes}},
    {{_base_.train_streams.classes19.idd}},
    {{_base_.train_streams.classes19.mapillary}},
]
data = dict(train=dict(target=_targets), val=_tests, test=_tests)
