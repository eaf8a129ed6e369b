# MinEnt with 100 labelled images: GTA5 to Cityscapes, DeepLabV2 on ResNet-101, effective learning rates of the released optimiser.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101.py',
    '../_base_/datasets/ssda_advent_gta_to_cityscapes.py',
    '../_base_/uda/minent.py',
    '../_base_/schedules/minent_120k_official_lr.py',
]
uda = dict(labeled_target=dict(supervise=1.0))
