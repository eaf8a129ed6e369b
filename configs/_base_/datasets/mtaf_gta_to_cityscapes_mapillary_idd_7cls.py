# G2CMI: GTA5 (labelled) to Cityscapes, Mapillary Vistas and IDD, 7 classes, MTAF's input.
_base_ = ['mtaf_streams.py']
_targets = [
    {{_base_.targets.classes7.cityscapes}},
    {{_base_.targets.classes7.mapillary}},
    {{_base_.targets.classes7.idd}},
]
_tests = [{{_base_.tests.classes7.cityscapes}}, {{_base_.tests.classes7.mapillary}}, {{_base_.tests.classes7.idd}}]
data = dict(train=dict(source={{_base_.sources.classes7.gta}}, target=_targets), val=_tests, test=_tests)
