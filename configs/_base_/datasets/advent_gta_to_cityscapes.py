# GTA5 (labelled, 1280x720) to Cityscapes (1024x512), 19 classes.
_base_ = ['advent_streams.py']
_train = dict(
    type='UDADataset', source={{_base_.sources.classes19.gta}}, target={{_base_.targets.classes19.cityscapes}}
)
_test = {{_base_.tests.classes19.cityscapes}}
data = dict(samples_per_gpu=1, workers_per_gpu=4, train=_train, val=_test, test=_test)
