# The toy world with two targets: rendered game (labelled) to European city and Indian roads.
_base_ = ['uda_toy_gta_to_toy_cityscapes_128x256.py']
_train = dict(img_dir='leftImg8bit/train', pipeline=[{{_base_.crops}}])
_val = dict(img_dir='leftImg8bit/val', ann_dir='gtFine/val', pipeline={{_base_.native_test}})
_city = dict(type='CityscapesDataset', data_root={{_base_.roots.toy_cityscapes}})
_idd = dict(type='IDDDataset', data_root={{_base_.roots.toy_idd}})
targets = dict(
    city=dict(_city, **_train),
    idd=dict(_idd, **_train),
    city_test=dict(_city, name='cityscapes', **_val),
    idd_test=dict(_idd, name='idd', **_val),
)
# the targets of CoaST's self-training: pseudo-labels and strong augmentation; a recipe of stages sets the folders
_strong = dict(
    type='TrainingCrops', img_scale=(256, 128), crop_size=(128, 256), strong=dict(number=2, label_mode='exact')
)
_images = dict(
    city=dict(_city, img_dir='leftImg8bit/train'),
    mapillary=dict(type='MapillaryDataset', data_root={{_base_.roots.toy_mapillary}}, img_dir='training/images'),
    idd=dict(_idd, img_dir='leftImg8bit/train'),
)
pseudo_targets = {
    name: dict(type='PseudoLabelDataset', folder=f'work_dirs/coast/{name}', dataset=dict(images, pipeline=[_strong]))
    for name, images in _images.items()
}
_tests = [targets['city_test'], targets['idd_test']]
data = dict(train=dict(target=[targets['city'], targets['idd']]), val=_tests, test=_tests)
