# TPS with the defaults of the class: SYNTHIA-Seq to Cityscapes-Seq.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/fused_deeplabv2_advent_r101.py',
    '../_base_/datasets/video_synthia_seq_to_cityscapes_seq.py',
    '../_base_/uda/tps.py',
    '../_base_/schedules/tps_40k.py',
]
model = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
uda = dict(lambda_t=1.0)
optimizer = dict(lr=2.5e-4)
