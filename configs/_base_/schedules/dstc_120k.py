# SGD of DSTC: classifiers at ten times the rate, decay towards 250k iterations of which 120k are run. As in the released code a convolution
# of the backbone is updated once per module around it (bottlenecks three times, projections four times); type='SGD' without the
# constructor updates it once. evaluation.save_best='mIoU' keeps the best on validation labels, which the released code uses.
optimizer = dict(
    type='RepeatedSGD',
    constructor='RepeatedParameters',
    lr=2.5e-4,
    momentum=0.9,
    weight_decay=5e-4,
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)
optimizer_config = dict()
lr_config = dict(policy='PolyHorizon', horizon=250000, power=0.9)
runner = dict(type='IterBasedRunner', max_iters=120000)
checkpoint_config = dict(by_epoch=False, interval=2000, max_keep_ckpts=2)
evaluation = dict(interval=2000, metric='mIoU')
