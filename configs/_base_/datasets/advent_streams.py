# Streams of AdaptSegNet, ADVENT, BDL and ESL, by label space: whole images, resized with Pillow's bicubic filter; BGR minus the
# mean; no crop, no flip, no colour change.
_base_ = ['street.py']
_norm = dict(mean=[104.00698793, 116.66876762, 122.67891434], std=[1.0, 1.0, 1.0], to_rgb=False)
_classes = dict(classes19='city19', classes16='city16', classes7='super7')
_target_size = (1024, 512)
_target_resize = dict(type='ExactResize', size=_target_size, interpolation='bicubic')
_target_letterbox = dict(type='Letterbox', size=_target_size, interpolation='bicubic')
_last_steps = [dict(type='RandomFlip', prob=0.0), dict(type='Normalize', **_norm), dict(type='DefaultFormatBundle')]
_test_steps = [
    dict(type='RandomFlip'),
    dict(type='Normalize', **_norm),
    dict(type='ImageToTensor', keys=['img']),
    dict(type='Collect', keys=['img']),
]
_source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='ExactResize', size=(1280, 720), interpolation='bicubic'),
    *_last_steps,
    dict(type='Collect', keys=['img', 'gt_semantic_seg']),
]
_sources = dict(
    gta=dict(
        type='GTADataset', data_root={{_base_.roots.gta}}, img_dir='images', ann_dir='labels', pipeline=_source_pipeline
    ),
    synthia=dict(
        type='SynthiaDataset',
        data_root={{_base_.roots.synthia}},
        img_dir='RGB',
        ann_dir='GT/LABELS',
        pipeline=_source_pipeline,
    ),
)
_targets = dict(
    cityscapes=dict(
        type='CityscapesDataset',
        data_root={{_base_.roots.cityscapes}},
        img_dir='leftImg8bit/train',
        pipeline=[dict(type='LoadImageFromFile'), _target_resize, *_last_steps, dict(type='Collect', keys=['img'])],
    ),
    mapillary=dict(
        type='MapillaryDataset',
        data_root={{_base_.roots.mapillary}},
        img_dir='training/images',
        pipeline=[dict(type='LoadImageFromFile'), _target_letterbox, *_last_steps, dict(type='Collect', keys=['img'])],
    ),
)
_tests = dict(
    cityscapes=dict(
        type='CityscapesDataset',
        data_root={{_base_.roots.cityscapes}},
        img_dir='leftImg8bit/val',
        ann_dir='gtFine/val',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(
                type='MultiScaleFlipAug', img_scale=_target_size, flip=False, transforms=[_target_resize, *_test_steps]
            ),
        ],
    ),
    mapillary=dict(
        type='LetterboxedMapillaryDataset',
        data_root={{_base_.roots.mapillary}},
        img_dir='validation/images',
        ann_dir='validation/labels',
        box=_target_size,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(
                type='MultiScaleFlipAug',
                img_scale=_target_size,
                flip=False,
                transforms=[dict(_target_letterbox, score_padded=True), *_test_steps],
            ),
        ],
    ),
)
sources = {
    number: {name: dict(options, label_space=space) for name, options in _sources.items()}
    for number, space in _classes.items()
}
targets = {
    number: {name: dict(options, label_space=space) for name, options in _targets.items()}
    for number, space in _classes.items()
}
tests = {
    number: {name: dict(options, label_space=space) for name, options in _tests.items()}
    for number, space in _classes.items()
}
