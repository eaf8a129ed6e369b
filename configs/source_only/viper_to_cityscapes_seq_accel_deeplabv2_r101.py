# Source-only training on clips: VIPER, tested on the videos of Cityscapes.
_base_ = [
    '../_base_/recipes/source_only_accel_deeplabv2_r101.py',
    '../_base_/datasets/video_viper_to_cityscapes_seq.py',
]
model = dict(fusion=dict(flow_scale='height'))
data = dict(train=dict(target=None))
optimizer = dict(lr=2.5e-4)
