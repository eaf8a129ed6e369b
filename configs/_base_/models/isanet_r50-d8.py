# ISANet (decoder study). Set decode_head.norm_cfg=None for the variant without batch norm in the decoder.
_base_ = ['./deeplabv2red_r50-d8.py']
model = dict(
    decode_head=dict(
        _delete_=True,
        type='ISAHead',
        isa_channels=256,
        down_factor=(8, 8),
        in_channels=2048,
        in_index=3,
        channels=512,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False,
    )
)
