# SYNTHIA (labelled, 1280x720) to Cityscapes (1024x512), 7 super classes.
_base_ = ['advent_streams.py']
_train = dict(
    type='UDADataset', source={{_base_.sources.classes7.synthia}}, target={{_base_.targets.classes7.cityscapes}}
)
_test = {{_base_.tests.classes7.cityscapes}}
data = dict(samples_per_gpu=1, workers_per_gpu=4, train=_train, val=_test, test=_test)
