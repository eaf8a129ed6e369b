# MinEnt: SYNTHIA to Cityscapes (16 classes), DeepLabV2 on ResNet-101, effective learning rates of the released optimiser.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101.py',
    '../_base_/datasets/advent_synthia_to_cityscapes.py',
    '../_base_/uda/minent.py',
    '../_base_/schedules/minent_120k_official_lr.py',
]
model = dict(decode_head=dict(num_classes=16), auxiliary_head=dict(num_classes=16))
