# ADVENT's schedule: SGD for the segmentor (classifiers at ten times the rate), Adam for the discriminators, polynomial decay over 250k
# iterations of which 120k are run. The effective rates are those of the released optimiser, which lists every convolution once per enclosing
# module and therefore steps it several times: bottlenecks three times, projections four times, the first convolution once.
optimizer = dict(
    segmentor=dict(
        type='SGD',
        lr=2.5e-4,
        momentum=0.9,
        weight_decay=5e-4,
        paramwise_cfg=dict(
            custom_keys={
                'head': dict(lr_mult=10.0),
                'backbone.layer': dict(lr_mult=3.0),
                'downsample.0.weight': dict(lr_mult=4.0),
            }
        ),
    ),
    discriminator=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
)
optimizer_config = dict(backward='sequential')
lr_config = dict(policy='PolyHorizon', horizon=250000, power=0.9)
runner = dict(type='IterBasedRunner', max_iters=120000)
checkpoint_config = dict(by_epoch=False, interval=2000, max_keep_ckpts=2)
evaluation = dict(interval=2000, metric='mIoU', save_best='mIoU')
