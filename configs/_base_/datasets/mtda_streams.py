# The multi-target benchmarks, all settings, as tables {classes: {setting: data}}. Images are resized to 2:1 with Pillow. CoaST takes them
# whatever their aspect ratio, values 0..1 in RGB, crops of half that size after a random scale of 0.5 to 1.5; MTAF takes whole images,
# Mapillary letterboxed, BGR minus the mean, no crop, no flip. Scores are those at the network's input size, with labels brought there.
# The files mtda_*, coast_* and mtaf_* choose a table; a config chooses a setting: data = {{_base_.settings.gta_to_cityscapes_idd}}.
_base_ = ['street.py']
_settings = dict(
    gta_to_cityscapes_idd=('gta', ('cityscapes', 'idd')),  # G2CI
    gta_to_cityscapes_mapillary=('gta', ('cityscapes', 'mapillary')),  # G2CM
    gta_to_mapillary_idd=('gta', ('mapillary', 'idd')),  # G2MI
    gta_to_cityscapes_mapillary_idd=('gta', ('cityscapes', 'mapillary', 'idd')),  # G2CMI
    cityscapes_to_mapillary_idd=('cityscapes', ('mapillary', 'idd')),  # C2MI
    idd_to_cityscapes_mapillary=('idd', ('cityscapes', 'mapillary')),  # I2CM
    mapillary_to_cityscapes_idd=('mapillary', ('cityscapes', 'idd')),  # M2CI
)
_images = dict(
    gta=dict(type='GTADataset', data_root={{_base_.roots.gta}}, img_dir='images'),
    cityscapes=dict(type='CityscapesDataset', data_root={{_base_.roots.cityscapes}}, img_dir='leftImg8bit/train'),
    idd=dict(type='IDDDataset', data_root={{_base_.roots.idd}}, img_dir='leftImg8bit/train'),
    mapillary=dict(type='MapillaryDataset', data_root={{_base_.roots.mapillary}}, img_dir='training/images'),
)
_labels = dict(gta='labels', cityscapes='gtFine/train', idd='gtFine/train', mapillary='training/labels')
_val_folders = dict(
    cityscapes=dict(img_dir='leftImg8bit/val', ann_dir='gtFine/val'),
    idd=dict(img_dir='leftImg8bit/val', ann_dir='gtFine/val'),
    mapillary=dict(img_dir='validation/images', ann_dir='validation/labels'),
)
_unit = dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0], to_rgb=True)
_imagenet = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
_caffe = dict(mean=[104.00698793, 116.66876762, 122.67891434], std=[1.0, 1.0, 1.0], to_rgb=False)
# label space, size of the images, CoaST's normalisation; classes19_imagenet is for networks that want ImageNet's mean and deviation
_classes = dict(
    classes7=('super7', (640, 320), _unit),
    classes19=('city19', (1024, 512), _unit),
    classes19_imagenet=('city19', (1024, 512), _imagenet),
)


def _coast_crops(size, norm, **more):
    return dict(
        type='TrainingCrops',
        img_scale=size,
        exact='bilinear',
        ratio_range=(0.5, 1.5),
        crop_size=(size[1] // 2, size[0] // 2),
        cat_max_ratio=1.0,
        img_norm_cfg=norm,
        **more,
    )


def _mtaf_resize(name, size):
    return dict(type='Letterbox' if name == 'mapillary' else 'ExactResize', size=size, interpolation='bicubic')


def _mtaf_whole(name, size):
    return [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        _mtaf_resize(name, size),
        dict(type='RandomFlip', prob=0.0),
        dict(type='Normalize', **_caffe),
        dict(type='DefaultFormatBundle'),
        dict(type='Collect', keys=['img', 'gt_semantic_seg']),
    ]


def _pseudo_labelled(name, space, pipeline):
    # stored probabilities as labels, strong augmentation; a recipe of stages sets the folder
    images = dict(_images[name], label_space=space, pipeline=[pipeline])
    return dict(type='PseudoLabelDataset', folder=f'work_dirs/coast/{name}', soft=True, dataset=images)


def _test(name, space, size, resize, norm):
    steps = [
        resize,
        dict(type='RandomFlip'),
        dict(type='Normalize', **norm),
        dict(type='ImageToTensor', keys=['img']),
        dict(type='Collect', keys=['img']),
    ]
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=size, flip=False, transforms=steps),
    ]
    options = {**_images[name], **_val_folders[name], 'name': name, 'label_space': space, 'score_size': size}
    return dict(options, pipeline=pipeline)


def _table(source_of, target_of, test_of):
    # every setting in every number of classes
    return {
        number: {
            setting: dict(
                train=dict(
                    source=dict(source_of(source, *options), ann_dir=_labels[source]),
                    target=[target_of(name, *options) for name in names],
                ),
                val=[test_of(name, *options) for name in names],
                test=[test_of(name, *options) for name in names],
            )
            for setting, (source, names) in _settings.items()
        }
        for number, options in _classes.items()
    }


def _coast_images(name, space, size, norm):
    return dict(_images[name], label_space=space, pipeline=[_coast_crops(size, norm)])


def _coast_released(name, space, size, norm):
    return _pseudo_labelled(name, space, _coast_crops(size, norm, strong=dict(number=2, label_mode='official')))


def _coast_paper(name, space, size, norm):
    return _pseudo_labelled(name, space, _coast_crops(size, norm, strong=dict(number=2, label_mode='exact')))


def _coast_test(name, space, size, norm):
    return _test(name, space, size, dict(type='ExactResize', size=size, interpolation='bilinear'), norm)


def _mtaf_images(name, space, size, _):
    return dict(_images[name], label_space=space, pipeline=_mtaf_whole(name, size))


def _mtaf_test(name, space, size, _):
    test = _test(name, space, size, _mtaf_resize(name, size), _caffe)
    return dict(test, type='LetterboxedMapillaryDataset') if name == 'mapillary' else test


mtda = _table(_coast_images, _coast_images, _coast_test)  # targets without labels (CoaST's warm-up)
coast = _table(_coast_images, _coast_released, _coast_test)  # labels follow the image as released
coast_paper = _table(_coast_images, _coast_paper, _coast_test)  # labels follow the image exactly
mtaf = _table(_mtaf_images, _mtaf_images, _mtaf_test)
mtaf_source_only = {
    number: {name: dict(data, train=dict(data['train'], target=None)) for name, data in settings.items()}
    for number, settings in mtaf.items()
}
data = dict(samples_per_gpu=4, workers_per_gpu=4, train=dict(type='UDADataset'))
_settings = _images = _labels = _val_folders = _classes = None
