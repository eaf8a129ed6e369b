# TPS, then video QuadMix: the first network labels for a fifth of the second training (transformers: a tenth), as released, and the
# second one starts from its weights where both have the same layers. A recipe names its setting.
_tps = dict(name='tps', type='train', config='../tps/{setting}.py')
_from_tps = {'uda.labeler.checkpoint': '{tps}/latest.pth'}
_start = dict(network='frozen', checkpoint='{tps}/latest.pth', init_student=True, then='ema')
released = [
    _tps,
    dict(name='quadmix', type='train', config='{setting}.py', options=_from_tps),
]
released_mit = [
    dict(_tps, config='../tps/{setting}_accel_deeplabv2_r101.py'),
    dict(name='quadmix', type='train', config='{setting}_accel_daformer_mitb5.py', options=_from_tps),
]
# with the defaults of the classes: then a mean teacher labels
fixed = [
    _tps,
    dict(name='quadmix', type='train', config='{setting}.py', options={'uda.labeler': dict(_start, until=8000)}),
]
# both share the 500 iterations of the baselines
_half = {'runner.max_iters': 250, 'lr_config.warmup_iters': 50, 'log_config.interval': 25}
toy = [
    dict(_tps, options=_half),
    dict(
        name='quadmix',
        type='train',
        config='{setting}.py',
        options={'uda.labeler': dict(_start, until=50, mode='eval'), **_half},
    ),
]
