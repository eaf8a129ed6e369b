# SGD of STAL, heads at ten times the backbone's rate, for a labelled batch of four on one GPU. 40k iterations are about the 200 epochs of
# the released runs on four GPUs.
optimizer = dict(
    type='SGD',
    lr=0.0025,
    momentum=0.9,
    weight_decay=1e-4,
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)
optimizer_config = dict()
lr_config = dict(policy='poly', power=0.9, min_lr=0.0, by_epoch=False)
runner = dict(type='IterBasedRunner', max_iters=40000)
checkpoint_config = dict(by_epoch=False, interval=2000, max_keep_ckpts=2)
evaluation = dict(interval=4000, metric='mIoU')
