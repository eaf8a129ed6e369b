# HRDA on the small CPU network, for inputs of about 256x256: context at half resolution, 128x128 detail crops.
_base_ = ['./segformer_efficientnet_lite0.py']
model = dict(
    type='HRDAEncoderDecoder',
    decode_head=dict(type='HRDAHead', single_scale_head='SegFormerHead', attention_embed_dim=64, hr_loss_weight=0.1),
    scales=[1, 0.5],
    hr_crop_size=(128, 128),
    feature_scale=0.5,
    crop_coord_divisible='auto',
    hr_slide_inference=True,
    test_cfg=dict(mode='whole'),
)
