# A vision transformer that a CPU trains from random weights: 4 blocks of 96 channels, patch 8, rotary positions, the light head.
_base_ = ['vfm_vitl14_dinov2.py']
model = dict(
    backbone=dict(
        model_name='vit_tiny_patch16_dinov3_qkvb',
        pretrained=None,
        img_size=128,
        patch_size=8,
        embed_dim=96,
        depth=4,
        num_heads=4,
        init_values=1.0,
        out_indices=(3,),
        input_scale=1.0,
    ),
    decode_head=dict(in_channels=96),
    test_cfg=dict(_delete_=True, mode='whole'),
)
