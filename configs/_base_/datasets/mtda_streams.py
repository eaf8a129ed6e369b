# Streams of the multi-target benchmarks as CoaST has them, by number of classes. Images are resized to 2:1 with Pillow whatever
# their aspect ratio, values are 0..1 in RGB; crops are half of that size after a random scale of 0.5 to 1.5. Scores are those at
# the network's input size, with labels brought there. classes19_imagenet has ImageNet's mean and deviation instead, for networks that
# want them.
_norm = dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0], to_rgb=True)
_imagenet = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
_classes = dict(
    classes7=('super7', (640, 320), _norm),
    classes19=('city19', (1024, 512), _norm),
    classes19_imagenet=('city19', (1024, 512), _imagenet),
)
_images = dict(
    gta=dict(type='GTADataset', data_root='data/gta/', img_dir='images'),
    cityscapes=dict(type='CityscapesDataset', data_root='data/cityscapes/', img_dir='leftImg8bit/train'),
    idd=dict(type='IDDDataset', data_root='data/idd/', img_dir='leftImg8bit/train'),
    mapillary=dict(type='MapillaryDataset', data_root='data/mapillary/', img_dir='training/images'),
)
_labels = dict(gta='labels', cityscapes='gtFine/train', idd='gtFine/train', mapillary='training/labels')
_val_folders = dict(
    cityscapes=dict(img_dir='leftImg8bit/val', ann_dir='gtFine/val'),
    idd=dict(img_dir='leftImg8bit/val', ann_dir='gtFine/val'),
    mapillary=dict(img_dir='validation/images', ann_dir='validation/labels'),
)
_crops = {
    number: dict(
        type='TrainingCrops',
        img_scale=size,
        exact='bilinear',
        ratio_range=(0.5, 1.5),
        crop_size=(size[1] // 2, size[0] // 2),
        cat_max_ratio=1.0,
        img_norm_cfg=norm,
    )
    for number, (_, size, norm) in _classes.items()
}
targets = {
    number: {name: dict(options, label_space=space, pipeline=[_crops[number]]) for name, options in _images.items()}
    for number, (space, _, _) in _classes.items()
}
# targets of the self-training: stored probabilities as labels, strong augmentation; a recipe sets the folders. Labels follow the
# image as released (pseudo_targets), or exactly (exact_targets)
_moved = {
    mode: {
        number: {
            name: dict(
                type='PseudoLabelDataset',
                folder=f'work_dirs/coast/{name}',
                soft=True,
                dataset=dict(
                    options, label_space=space, pipeline=[dict(_crops[number], strong=dict(number=2, label_mode=mode))]
                ),
            )
            for name, options in _images.items()
        }
        for number, (space, _, _) in _classes.items()
    }
    for mode in ('official', 'exact')
}
pseudo_targets, exact_targets = _moved['official'], _moved['exact']
sources = {
    number: {name: dict(options, ann_dir=_labels[name]) for name, options in streams.items()}
    for number, streams in targets.items()
}
tests = {
    number: {
        name: dict(
            {**_images[name], **folders},
            name=name,
            label_space=space,
            score_size=size,
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(
                    type='MultiScaleFlipAug',
                    img_scale=size,
                    flip=False,
                    transforms=[
                        dict(type='ExactResize', size=size, interpolation='bilinear'),
                        dict(type='RandomFlip'),
                        dict(type='Normalize', **norm),
                        dict(type='ImageToTensor', keys=['img']),
                        dict(type='Collect', keys=['img']),
                    ],
                ),
            ],
        )
        for name, folders in _val_folders.items()
    }
    for number, (space, size, norm) in _classes.items()
}
data = dict(samples_per_gpu=4, workers_per_gpu=4, train=dict(type='UDADataset'))
