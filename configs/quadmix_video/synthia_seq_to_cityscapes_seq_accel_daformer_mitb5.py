# Video QuadMix as released (transformer): SYNTHIA-Seq to Cityscapes-Seq. A TPS of configs/tps (CNN, splat) labels for 4000 iterations.
_base_ = ['./synthia_seq_to_cityscapes_seq_accel_deeplabv2_r101.py']
model = dict(
    _delete_=True,
    type='FlowFusedSegmentor',
    pretrained='pretrained/mit_b5.pth',
    backbone=dict(type='mit_b5', style='pytorch'),
    decode_head=dict(
        type='DAFormerHead',
        in_channels=[64, 128, 320, 512],
        in_index=[0, 1, 2, 3],
        channels=256,
        dropout_ratio=0.1,
        num_classes=12,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False,
        decoder_params=dict(
            embed_dims=256,
            embed_cfg=dict(type='mlp', act_cfg=None, norm_cfg=None),
            embed_neck_cfg=dict(type='mlp', act_cfg=None, norm_cfg=None),
            fusion_cfg=dict(
                type='aspp',
                sep=True,
                dilations=(1, 6, 12, 18),
                pool=False,
                act_cfg=dict(type='ReLU'),
                norm_cfg=dict(type='BN', requires_grad=True),
            ),
        ),
        loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=1.0),
    ),
    fusion=dict(warp='backward', flow_scale='height'),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
uda = dict(
    labeler=dict(until=4000, init_student=False, model=dict(fusion=dict(warp='splat'))),
    far_term=False,
    source_pass='target_size',
    rescale_source_flow=False,
)
optimizer = dict(
    _delete_=True,
    type='AdamW',
    lr=6e-5,
    betas=(0.9, 0.999),
    weight_decay=0.01,
    paramwise_cfg=dict(
        custom_keys={
            'decode_head': dict(lr_mult=10.0),
            'fusion': dict(lr_mult=10.0),
            'backbone.norm': dict(decay_mult=0.0),
            'norm1': dict(decay_mult=0.0),
            'norm2': dict(decay_mult=0.0),
        }
    ),
)
lr_config = dict(_delete_=True, policy='WarmupThenLinear', ramp_iters=1500, ramp_ratio=1e-6)
