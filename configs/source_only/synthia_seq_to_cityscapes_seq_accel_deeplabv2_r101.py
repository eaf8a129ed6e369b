# Source-only training on clips: SYNTHIA-Seq, tested on the videos of Cityscapes.
_base_ = [
    '../_base_/recipes/source_only_accel_deeplabv2_r101.py',
    '../_base_/datasets/video_synthia_seq_to_cityscapes_seq.py',
]
model = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12), fusion=dict(flow_scale='height'))
data = dict(train=dict(target=None))
optimizer = dict(lr=2.5e-4)
