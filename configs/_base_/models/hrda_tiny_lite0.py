# HRDA on the fastest network that still learns the toy world.
_base_ = ['./tiny_lite0.py']
model = dict(
    type='HRDAEncoderDecoder',
    decode_head=dict(type='HRDAHead', single_scale_head='SegFormerHead', attention_embed_dim=64, hr_loss_weight=0.1),
    scales=[1, 0.5],
    hr_crop_size=(64, 128),
    feature_scale=0.5,
    crop_coord_divisible='auto',
    hr_slide_inference=True,
)
