# Decoder study: a 1x1 convolution fuses the levels, without context.
_base_ = ['./daformer_sepaspp_mitb5.py']
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    decode_head=dict(
        decoder_params=dict(
            fusion_cfg=dict(_delete_=True, type='conv', kernel_size=1, act_cfg=dict(type='ReLU'), norm_cfg=norm_cfg)
        )
    )
)
