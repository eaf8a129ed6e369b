# Steps after the resize, by crop size, and the Cityscapes evaluation of every street config.
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
_crop_sizes = dict(crop512=(512, 512), crop1024=(1024, 1024), toy=(128, 256))
_formatting = {
    name: [
        dict(type='Normalize', **img_norm_cfg),  # on the device: images travel as uint8
        dict(type='Pad', size=size, pad_val=0, seg_pad_val=255),
        dict(type='DefaultFormatBundle'),
    ]
    for name, size in _crop_sizes.items()
}
_labeled_crop = {
    name: [dict(type='RandomCrop', crop_size=size, cat_max_ratio=0.75), dict(type='RandomFlip', prob=0.5)]
    for name, size in _crop_sizes.items()
}
_collect_labeled = dict(type='Collect', keys=['img', 'gt_semantic_seg'])
# Self-training jitters colours later, on the device.
labeled_steps = {name: [*_labeled_crop[name], *_formatting[name], _collect_labeled] for name in _crop_sizes}
# Source-only, oracle and adversarial baselines jitter colours here.
distorted_steps = {
    name: [*_labeled_crop[name], dict(type='PhotoMetricDistortion'), *_formatting[name], _collect_labeled]
    for name in _crop_sizes
}
unlabeled_steps = {
    name: [
        dict(type='RandomCrop', crop_size=size),
        dict(type='RandomFlip', prob=0.5),
        *_formatting[name],
        dict(type='Collect', keys=['img']),
    ]
    for name, size in _crop_sizes.items()
}
test_steps = [
    dict(type='Resize', keep_ratio=True),
    dict(type='RandomFlip'),
    dict(type='Normalize', **img_norm_cfg),
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
        dict(type='MultiScaleFlipAug', img_scale=(1024, 512), flip=False, transforms=test_steps)
    ])
data = dict(samples_per_gpu=2, workers_per_gpu=4, val=cityscapes_val, test=cityscapes_val)
