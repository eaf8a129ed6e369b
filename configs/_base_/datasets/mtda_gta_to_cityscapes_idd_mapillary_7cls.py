# GTA5 (labelled) to Cityscapes, IDD and Mapillary Vistas, 7 classes.
_base_ = ['mtda_gta_to_cityscapes_idd_7cls.py']
_tests = [
    {{_base_.tests.classes7.cityscapes}},
    {{_base_.tests.classes7.idd}},
    {{_base_.tests.classes7.mapillary}},
]
_targets = [
    {{_base_.train_streams.classes7.cityscapes}},
    {{_base_.train_streams.classes7.idd}},
    {{_base_.train_streams.classes7.mapillary}},
]
data = dict(train=dict(target=_targets), val=_tests, test=_tests)
