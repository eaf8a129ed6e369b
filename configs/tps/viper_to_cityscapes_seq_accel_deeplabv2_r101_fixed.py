# TPS with the defaults of the class: VIPER to Cityscapes-Seq.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/fused_deeplabv2_advent_r101.py',
    '../_base_/datasets/video_viper_to_cityscapes_seq.py',
    '../_base_/uda/tps.py',
    '../_base_/schedules/tps_40k.py',
]
uda = dict(lambda_t=0.1)
optimizer = dict(lr=1e-4)
