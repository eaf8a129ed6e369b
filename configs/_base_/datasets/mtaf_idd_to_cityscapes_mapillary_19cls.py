# I2CM: IDD (labelled) to Cityscapes and Mapillary Vistas, 19 classes, MTAF's input.
_base_ = ['mtaf_streams.py']
_targets = [{{_base_.targets.classes19.cityscapes}}, {{_base_.targets.classes19.mapillary}}]
_tests = [{{_base_.tests.classes19.cityscapes}}, {{_base_.tests.classes19.mapillary}}]
data = dict(train=dict(source={{_base_.sources.classes19.idd}}, target=_targets), val=_tests, test=_tests)
