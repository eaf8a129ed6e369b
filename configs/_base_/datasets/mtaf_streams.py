# As mtda_streams with MTAF's input: whole images in one size (Pillow's bicubic filter), Mapillary letterboxed, BGR minus the mean; no
# crop, no flip. MTAF's own recipes have 7 classes; 19 classes take CoaST's size.
_base_ = ['mtda_streams.py']
_sizes = dict(classes7=(640, 320), classes19=(1024, 512))
_resize = dict(gta='ExactResize', cityscapes='ExactResize', idd='ExactResize', mapillary='Letterbox')
_norm = dict(type='Normalize', mean=[104.00698793, 116.66876762, 122.67891434], std=[1.0, 1.0, 1.0], to_rgb=False)
targets = {
    number: {
        name: dict(
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type=resize, size=size, interpolation='bicubic'),
                dict(type='RandomFlip', prob=0.0),
                _norm,
                dict(type='DefaultFormatBundle'),
                dict(type='Collect', keys=['img', 'gt_semantic_seg']),
            ]
        )
        for name, resize in _resize.items()
    }
    for number, size in _sizes.items()
}
sources = targets
_test_sets = dict(cityscapes=dict(), idd=dict(), mapillary=dict(type='LetterboxedMapillaryDataset'))
tests = {
    number: {
        name: dict(
            options,
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(
                    type='MultiScaleFlipAug',
                    img_scale=size,
                    flip=False,
                    transforms=[
                        dict(type=_resize[name], size=size, interpolation='bicubic'),
                        dict(type='RandomFlip'),
                        _norm,
                        dict(type='ImageToTensor', keys=['img']),
                        dict(type='Collect', keys=['img']),
                    ],
                ),
            ],
        )
        for name, options in _test_sets.items()
    }
    for number, size in _sizes.items()
}
data = dict(samples_per_gpu=1)
