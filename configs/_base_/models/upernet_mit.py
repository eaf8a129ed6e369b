# UPerNet on MiT-B5 (decoder study).
_base_ = ['./daformer_sepaspp_mitb5.py']
model = dict(
    decode_head=dict(
        _delete_=True,
        type='UPerHead',
        pool_scales=(1, 2, 3, 6),
        in_channels=[64, 128, 320, 512],
        in_index=[0, 1, 2, 3],
        channels=512,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False,
    )
)
