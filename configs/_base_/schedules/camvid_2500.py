# 2500 iterations of AdamW for the small CamVid runs: about 15 minutes of supervised training on two CPU cores.
optimizer = dict(
    type='AdamW',
    lr=2e-4,
    betas=(0.9, 0.999),
    weight_decay=0.01,
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=5.0), norm=dict(decay_mult=0.0))),
)
optimizer_config = dict()
lr_config = dict(
    policy='poly', warmup='linear', warmup_iters=100, warmup_ratio=1e-3, power=1.0, min_lr=0.0, by_epoch=False
)
runner = dict(type='IterBasedRunner', max_iters=2500)
checkpoint_config = dict(by_epoch=False, interval=500, max_keep_ckpts=2)
evaluation = dict(interval=500, metric='mIoU')
# a quarter faster on a CPU for this network of depthwise convolutions
engine = dict(channels_last=True)
