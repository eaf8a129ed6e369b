# TPS in the toy world, with the strong augmentation of the paper on pictures.
_base_ = [
    '../default_runtime.py',
    '../models/fused_tiny_lite0.py',
    '../uda/tps.py',
    '../schedules/toy_500.py',
]
uda = dict(augmentation=dict(type='ClipAugmentation'))
