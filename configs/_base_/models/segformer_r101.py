# The all-MLP head on ResNet-101 (network study).
_base_ = ['./deeplabv2red_r101-d8.py']
model = dict(
    backbone=dict(dilations=(1, 1, 1, 1), strides=(1, 2, 2, 2)),
    decode_head=dict(
        _delete_=True,
        type='SegFormerHead',
        decoder_params=dict(embed_dims=768, conv_kernel_size=1),
        in_channels=[256, 512, 1024, 2048],
        in_index=[0, 1, 2, 3],
        channels=128,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False,
    ),
)
