# Test steps of every street config and the Cityscapes evaluation at half resolution.
test_steps = [
    dict(type='Resize', keep_ratio=True),
    dict(type='RandomFlip'),
    dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
    dict(type='ImageToTensor', keys=['img']),
    dict(type='Collect', keys=['img']),
]
cityscapes_val = dict(
    type='CityscapesDataset',
    data_root='data/cityscapes/',
    img_dir='leftImg8bit/val',
    ann_dir='gtFine/val',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=(1024, 512), flip=False, transforms=test_steps),
    ],
)
data = dict(samples_per_gpu=2, workers_per_gpu=4, val=cityscapes_val, test=cityscapes_val)
