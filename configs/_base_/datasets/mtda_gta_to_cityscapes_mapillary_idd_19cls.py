# G2CMI: GTA5 (labelled) to Cityscapes, Mapillary Vistas and IDD, 19 classes.
_base_ = ['mtda_streams.py']
_targets = [
    {{_base_.targets.classes19.cityscapes}},
    {{_base_.targets.classes19.mapillary}},
    {{_base_.targets.classes19.idd}},
]
_tests = [{{_base_.tests.classes19.cityscapes}}, {{_base_.tests.classes19.mapillary}}, {{_base_.tests.classes19.idd}}]
data = dict(train=dict(source={{_base_.sources.classes19.gta}}, target=_targets), val=_tests, test=_tests)
