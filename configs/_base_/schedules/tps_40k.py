# TPS and video QuadMix (CNN): SGD, poly over 250 000 iterations that stops at 40 000; fusion layer x1, classifiers x10, all decay.
optimizer = dict(
    type='SGD',
    lr=1e-4,
    momentum=0.9,
    weight_decay=5e-4,
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)
optimizer_config = dict()
lr_config = dict(policy='PolyHorizon', horizon=250000, power=0.9)
runner = dict(type='IterBasedRunner', max_iters=40000)
checkpoint_config = dict(by_epoch=False, interval=4000, max_keep_ckpts=2)
evaluation = dict(interval=4000, metric='mIoU')
