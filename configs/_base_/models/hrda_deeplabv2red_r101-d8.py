# HRDA on DeepLabV2 (two dilations) with ResNet-101. Offsets are multiples of 8 as in the released code, although the output stride of 8
# would need 16 ('auto') to align the two resolutions.
_base_ = ['./deeplabv2red_r101-d8.py']
model = dict(
    type='HRDAEncoderDecoder',
    decode_head=dict(type='HRDAHead', single_scale_head='DLV2Head', attention_classwise=True, hr_loss_weight=0.1),
    scales=[1, 0.5],
    hr_crop_size=(512, 512),
    feature_scale=0.5,
    crop_coord_divisible=8,
    hr_slide_inference=True,
    test_cfg=dict(mode='slide', batched_slide=True, stride=[512, 512], crop_size=[1024, 1024]),
)
