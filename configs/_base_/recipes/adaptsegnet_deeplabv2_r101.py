# AdaptSegNet: DeepLabV2 on ResNet-101, effective learning rates of the released optimiser; two of four dilations act.
_base_ = [
    '../default_runtime.py',
    '../models/deeplabv2_advent_r101.py',
    '../uda/adaptsegnet.py',
    '../schedules/advent_120k_official_lr.py',
]
model = dict(decode_head=dict(num_active_branches=2), auxiliary_head=dict(num_active_branches=2))
runner = dict(max_iters=150000)
checkpoint_config = dict(interval=5000)
evaluation = dict(interval=5000)
