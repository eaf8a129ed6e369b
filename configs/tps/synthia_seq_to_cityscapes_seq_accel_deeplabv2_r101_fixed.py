# TPS with the defaults of the class: SYNTHIA-Seq to Cityscapes-Seq.
_base_ = [
    '../_base_/recipes/tps_fixed_accel_deeplabv2_r101.py',
    '../_base_/datasets/video_synthia_seq_to_cityscapes_seq.py',
]
model = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
uda = dict(lambda_t=1.0)
optimizer = dict(lr=2.5e-4)
