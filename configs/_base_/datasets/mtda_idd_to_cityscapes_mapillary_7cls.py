# I2CM: IDD (labelled) to Cityscapes and Mapillary Vistas, 7 classes.
_base_ = ['mtda_streams.py']
_targets = [{{_base_.targets.classes7.cityscapes}}, {{_base_.targets.classes7.mapillary}}]
_tests = [{{_base_.tests.classes7.cityscapes}}, {{_base_.tests.classes7.mapillary}}]
data = dict(train=dict(source={{_base_.sources.classes7.idd}}, target=_targets), val=_tests, test=_tests)
