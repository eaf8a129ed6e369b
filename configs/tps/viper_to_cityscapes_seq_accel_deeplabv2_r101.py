# TPS as released: VIPER to Cityscapes-Seq.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/fused_deeplabv2_advent_r101.py',
    '../_base_/datasets/video_viper_to_cityscapes_seq.py',
    '../_base_/uda/tps_released.py',
    '../_base_/schedules/tps_40k_official_lr.py',
]
model = dict(fusion=dict(flow_scale='height'))
uda = dict(lambda_t=0.1)
optimizer = dict(lr=1e-4)
