# Linear warm-up over 1500 iterations, then linear decay to 0.
lr_config = dict(
    policy='poly', warmup='linear', warmup_iters=1500, warmup_ratio=1e-6, power=1.0, min_lr=0.0, by_epoch=False
)
