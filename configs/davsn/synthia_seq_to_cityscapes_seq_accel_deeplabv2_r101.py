# DA-VSN: SYNTHIA-Seq to Cityscapes-Seq.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/fused_deeplabv2_advent_r101.py',
    '../_base_/datasets/video_synthia_seq_to_cityscapes_seq.py',
    '../_base_/uda/davsn.py',
    '../_base_/schedules/davsn_40k.py',
]
model = dict(
    decode_head=dict(num_classes=12),
    auxiliary_head=dict(num_classes=12),
    fusion=dict(warp='splat', flow_scale='height'),
)
