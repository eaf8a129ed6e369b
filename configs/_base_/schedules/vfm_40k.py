# VFM-UDA: AdamW, weight decay for everything, the encoder at a tenth of the rate. The rate is 5e-5 times the root of 8 images per step (4 GPUs
# with 2 each, or fewer with optimizer_config=dict(cumulative_iters=...)).
optimizer = dict(
    type='AdamW',
    lr=1.414e-4,
    betas=(0.9, 0.999),
    weight_decay=0.01,
    paramwise_cfg=dict(layer_decay=1.0, backbone_mult=0.1),
)
optimizer_config = dict()
lr_config = dict(policy='WarmupLinear', warmup_steps=1500)
runner = dict(type='IterBasedRunner', max_iters=40000)
checkpoint_config = dict(by_epoch=False, interval=4000, max_keep_ckpts=2)
evaluation = dict(interval=4000, metric='mIoU')
memory = dict(precision='bf16')
