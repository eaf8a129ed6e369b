# Source-only training on clips: VIPER, tested on the videos of Cityscapes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/fused_deeplabv2_advent_r101.py',
    '../_base_/datasets/video_viper_to_cityscapes_seq.py',
    '../_base_/schedules/tps_40k_official_lr.py',
]
model = dict(fusion=dict(flow_scale='height'))
data = dict(train=dict(target=None))
optimizer = dict(lr=2.5e-4)
