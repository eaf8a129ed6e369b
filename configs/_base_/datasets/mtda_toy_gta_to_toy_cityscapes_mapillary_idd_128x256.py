# The toy world with three targets: rendered game (labelled) to European city, phone photographs from everywhere and Indian roads.
_base_ = ['mtda_toy_gta_to_toy_cityscapes_idd_128x256.py']
_mapillary = dict(type='MapillaryDataset', data_root={{_base_.roots.toy_mapillary}})
_train = dict(_mapillary, img_dir='training/images', pipeline=[{{_base_.crops}}])
_test = dict(
    _mapillary,
    name='mapillary',
    img_dir='validation/images',
    ann_dir='validation/labels',
    pipeline={{_base_.native_test}},
)
_tests = [{{_base_.targets.city_test}}, _test, {{_base_.targets.idd_test}}]
data = dict(train=dict(target=[{{_base_.targets.city}}, _train, {{_base_.targets.idd}}]), val=_tests, test=_tests)
