# SGD of RIPU, head at ten times the backbone's rate; the decay aims at 62500 iterations, of which 40000 are run.
optimizer = dict(
    type='SGD',
    lr=2.5e-4,
    momentum=0.9,
    weight_decay=5e-4,
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)
optimizer_config = dict()
lr_config = dict(policy='PolyHorizon', horizon=62500, power=0.9)
runner = dict(type='IterBasedRunner', max_iters=40000)
checkpoint_config = dict(by_epoch=False, interval=1000, max_keep_ckpts=2)
evaluation = dict(interval=4000, metric='mIoU')
# the labels are bought in the middle of the run
custom_hooks = [dict(type='ActiveSelectionHook', iters=[10000, 12000, 14000, 16000, 18000])]
