# AdaptSegNet: as AdvEnt with discriminators on probabilities.
_base_ = ['advent.py']
uda = dict(type='AdaptSegNet', input_transform='prob')
