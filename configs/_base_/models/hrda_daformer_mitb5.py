# HRDA on the DAFormer network: 1024x1024 inputs, context at half resolution, 512x512 detail crops.
_base_ = ['./daformer_sepaspp_mitb5.py']
model = dict(
    type='HRDAEncoderDecoder',
    decode_head=dict(type='HRDAHead', single_scale_head='DAFormerHead', attention_classwise=True, hr_loss_weight=0.1),
    scales=[1, 0.5],
    hr_crop_size=(512, 512),
    # features for the feature distance: the context's
    feature_scale=0.5,
    # output stride 4 times resolution ratio 2
    crop_coord_divisible=8,
    hr_slide_inference=True,
    test_cfg=dict(mode='slide', batched_slide=True, stride=[512, 512], crop_size=[1024, 1024]),
)
