# Streams of the multi-target benchmarks (MTAF, CoaST), by number of classes. Images are resized to 2:1 with Pillow whatever
# their aspect ratio, values are 0..1 in RGB; crops are half of that size after a random scale of 0.5 to 1.5.
_norm = dict(mean=[0., 0., 0.], std=[255., 255., 255.], to_rgb=True)
_settings = dict(classes7=('super7', (640, 320)), classes19=('city19', (1024, 512)))
_sets = dict(
    gta=dict(type='GTADataset', data_root='data/gta/', img_dir='images', ann_dir='labels'),
    cityscapes=dict(type='CityscapesDataset', data_root='data/cityscapes/', img_dir='leftImg8bit/train'),
    idd=dict(type='IDDDataset', data_root='data/idd/', img_dir='leftImg8bit/train'),
    mapillary=dict(type='MapillaryDataset', data_root='data/mapillary/', img_dir='training/images'))
_val_folders = dict(
    cityscapes=dict(img_dir='leftImg8bit/val', ann_dir='gtFine/val'),
    idd=dict(img_dir='leftImg8bit/val', ann_dir='gtFine/val'),
    mapillary=dict(img_dir='validation/images', ann_dir='validation/labels'))
train_streams = {
    setting: {
        name: dict(options, label_space=space, pipeline=[
            dict(type='TrainingCrops', img_scale=size, exact='bilinear', ratio_range=(0.5, 1.5),
                 crop_size=(size[1] // 2, size[0] // 2), cat_max_ratio=1.0, img_norm_cfg=_norm)
        ])
        for name, options in _sets.items()
    }
    for setting, (space, size) in _settings.items()
}
tests = {
    setting: {
        name: dict({**_sets[name], **folders}, name=name, label_space=space, pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='MultiScaleFlipAug', img_scale=size, flip=False, transforms=[
                dict(type='ExactResize', size=size, interpolation='bilinear'),
                dict(type='RandomFlip'),
                dict(type='Normalize', **_norm),
                dict(type='ImageToTensor', keys=['img']),
                dict(type='Collect', keys=['img']),
            ])
        ])
        for name, folders in _val_folders.items()
    }
    for setting, (space, size) in _settings.items()
}
