# GTA5 (labelled) to Cityscapes and IDD, 19 classes.
_base_ = ['mtda_streams.py']
_tests = [{{_base_.tests.classes19.cityscapes}}, {{_base_.tests.classes19.idd}}]
_targets = [{{_base_.train_streams.classes19.cityscapes}}, {{_base_.train_streams.classes19.idd}}]
_train = dict(type='UDADataset', source={{_base_.train_streams.classes19.gta}}, target=_targets)
data = dict(samples_per_gpu=4, workers_per_gpu=4, train=_train, val=_tests, test=_tests)
