# CoaST's second stage: the target-agnostic classifier, which is new, at ten times the rate. The released optimiser lists a parameter
# once per enclosing module and therefore steps it several times: bottlenecks three times, projections four times.
optimizer = dict(
    type='SGD',
    lr=1e-4,
    momentum=0.9,
    weight_decay=2e-4,
    paramwise_cfg=dict(
        custom_keys={
            'decode_head': dict(lr_mult=10.0),
            'backbone.layer': dict(lr_mult=3.0),
            **{f'downsample.{key}': dict(lr_mult=4.0) for key in ('0.weight', '1.weight', '1.bias')},
        }
    ),
)
optimizer_config = dict(backward='sequential')
lr_config = dict(policy='PolyHorizon', horizon=60000, power=0.9)
runner = dict(type='IterBasedRunner', max_iters=60000)
checkpoint_config = dict(by_epoch=False, interval=1000, max_keep_ckpts=2)
evaluation = dict(interval=1000, metric='mIoU', save_best='mIoU')
