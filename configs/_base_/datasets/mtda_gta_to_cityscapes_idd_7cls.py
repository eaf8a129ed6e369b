# GTA5 (labelled) to Cityscapes and IDD, 7 classes.
_base_ = ['mtda_streams.py']
_tests = [{{_base_.tests.classes7.cityscapes}}, {{_base_.tests.classes7.idd}}]
_targets = [{{_base_.train_streams.classes7.cityscapes}}, {{_base_.train_streams.classes7.idd}}]
_train = dict(type='UDADataset', source={{_base_.train_streams.classes7.gta}}, target=_targets)
data = dict(samples_per_gpu=4, workers_per_gpu=4, train=_train, val=_tests, test=_tests)
