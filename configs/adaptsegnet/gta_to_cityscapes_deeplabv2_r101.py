# AdaptSegNet: GTA5 to Cityscapes, DeepLabV2 on ResNet-101, effective learning rates of the released optimiser; two of four dilations act.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_advent_r101.py',
    '../_base_/datasets/advent_gta_to_cityscapes.py',
    '../_base_/uda/adaptsegnet.py',
    '../_base_/schedules/advent_120k_official_lr.py',
]
model = dict(decode_head=dict(num_active_branches=2), auxiliary_head=dict(num_active_branches=2))
runner = dict(max_iters=150000)
checkpoint_config = dict(interval=5000)
evaluation = dict(interval=5000)
