# SYNTHIA (labelled, 1280x720) to Cityscapes (1024x512), 16 classes; scored over 16 and 13.
_base_ = ['advent_streams.py']
_train = dict(
    type='UDADataset', source={{_base_.sources.classes16.synthia}}, target={{_base_.targets.classes16.cityscapes}}
)
_test = {{_base_.tests.classes16.cityscapes}}
data = dict(samples_per_gpu=1, workers_per_gpu=4, train=_train, val=_test, test=_test)
