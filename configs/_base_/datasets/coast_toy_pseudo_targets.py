# The toy world's targets with pseudo-labels and strong augmentation. A recipe sets the folders.
_crops = dict(
    type='TrainingCrops', img_scale=(256, 128), crop_size=(128, 256), strong=dict(number=2, label_mode='exact')
)
_images = dict(
    city=dict(type='CityscapesDataset', data_root='data/toy/cityscapes/', img_dir='leftImg8bit/train'),
    mapillary=dict(type='MapillaryDataset', data_root='data/toy/mapillary/', img_dir='training/images'),
    idd=dict(type='IDDDataset', data_root='data/toy/idd/', img_dir='leftImg8bit/train'),
)
pseudo_targets = {
    name: dict(type='PseudoLabelDataset', folder=f'work_dirs/coast/{name}', dataset=dict(images, pipeline=[_crops]))
    for name, images in _images.items()
}
