# DA-VSN: SGD and Adam, poly over 250 000 iterations; gradients of either network clipped to norm 1.
optimizer = dict(
    segmentor=dict(
        type='SGD',
        lr=2.5e-4,
        momentum=0.9,
        weight_decay=5e-4,
        paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
    ),
    discriminator=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
)
optimizer_config = dict(grad_clip=dict(max_norm=1.0))
lr_config = dict(policy='PolyHorizon', horizon=250000, power=0.9)
runner = dict(type='IterBasedRunner', max_iters=40000)
checkpoint_config = dict(by_epoch=False, interval=4000, max_keep_ckpts=2)
evaluation = dict(interval=4000, metric='mIoU')
