# DA-VSN: SYNTHIA-Seq to Cityscapes-Seq.
_base_ = [
    '../_base_/recipes/davsn_accel_deeplabv2_r101.py',
    '../_base_/datasets/video_synthia_seq_to_cityscapes_seq.py',
]
model = dict(
    decode_head=dict(num_classes=12),
    auxiliary_head=dict(num_classes=12),
    fusion=dict(warp='splat', flow_scale='height'),
)
