# Video QuadMix (transformer): AdamW, warm-up to the full rate, then linearly to 0.
optimizer = dict(
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
optimizer_config = dict()
lr_config = dict(policy='WarmupThenLinear', ramp_iters=1500, ramp_ratio=1e-6)
runner = dict(type='IterBasedRunner', max_iters=40000)
checkpoint_config = dict(by_epoch=False, interval=4000, max_keep_ckpts=2)
evaluation = dict(interval=4000, metric='mIoU')
