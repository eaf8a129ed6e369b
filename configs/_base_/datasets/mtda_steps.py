# Images of the multi-target benchmarks: resized to 2:1 with Pillow whatever their aspect ratio, values 0..1 in RGB.
# "super7" runs work at 640x320, "city19" runs at 1024x512; crops are half of that after a random scale of 0.5 to 1.5.
img_norm_cfg = dict(mean=[0., 0., 0.], std=[255., 255., 255.], to_rgb=True)
_sizes = dict(super7=(640, 320), city19=(1024, 512))
_crop = {
    space: [
        dict(type='ExactResize', size=size, interpolation='bilinear'),
        dict(type='Resize', img_scale=size, ratio_range=(0.5, 1.5), keep_ratio=False),
        dict(type='RandomCrop', crop_size=(size[1] // 2, size[0] // 2)),
        dict(type='RandomFlip', prob=0.5),
        dict(type='Normalize', **img_norm_cfg),
        dict(type='DefaultFormatBundle'),
    ]
    for space, size in _sizes.items()
}
_collect_labeled = dict(type='Collect', keys=['img', 'gt_semantic_seg'])
labeled_pipeline = {
    space: [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), *_crop[space], _collect_labeled]
    for space in _sizes
}
unlabeled_pipeline = {
    space: [dict(type='LoadImageFromFile'), *_crop[space], dict(type='Collect', keys=['img'])]
    for space in _sizes
}
test_pipeline = {
    space: [
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=size, flip=False, transforms=[
            dict(type='ExactResize', size=size, interpolation='bilinear'),
            dict(type='RandomFlip'),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='ImageToTensor', keys=['img']),
            dict(type='Collect', keys=['img']),
        ])
    ]
    for space, size in _sizes.items()
}
