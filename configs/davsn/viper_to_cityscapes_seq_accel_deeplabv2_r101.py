# DA-VSN: VIPER to Cityscapes-Seq.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/fused_deeplabv2_advent_r101.py',
    '../_base_/datasets/video_viper_to_cityscapes_seq.py',
    '../_base_/uda/davsn.py',
    '../_base_/schedules/davsn_40k.py',
]
model = dict(fusion=dict(warp='splat', flow_scale='height'))
