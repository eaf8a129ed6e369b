# What the sets of square tiles (aerial, medical) share: tests at their own size, rare-class sampling.
_base_ = ['roots.py']
rare_classes = dict(min_pixels=1000, class_temp=0.1, min_crop_ratio=0.5)
tile_test = [
    dict(type='LoadImageFromFile'),
    dict(
        type='MultiScaleFlipAug',
        img_scale=None,
        img_ratios=[1.0],
        flip=False,
        transforms=[
            dict(type='Resize', keep_ratio=True),
            dict(type='RandomFlip'),
            dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
            dict(type='ImageToTensor', keys=['img']),
            dict(type='Collect', keys=['img']),
        ],
    ),
]
