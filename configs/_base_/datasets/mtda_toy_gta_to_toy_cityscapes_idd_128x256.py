# The toy world with two targets: rendered game (labelled) to European city and Indian roads.
_base_ = ['uda_toy_gta_to_toy_cityscapes_128x256.py']
_train = dict(img_dir='leftImg8bit/train', pipeline=[{{_base_.crops}}])
_val = dict(img_dir='leftImg8bit/val', ann_dir='gtFine/val', pipeline={{_base_.native_test}})
_city = dict(type='CityscapesDataset', data_root='data/toy/cityscapes/')
_idd = dict(type='IDDDataset', data_root='data/toy/idd/')
targets = dict(
    city=dict(_city, **_train),
    idd=dict(_idd, **_train),
    city_test=dict(_city, name='cityscapes', **_val),
    idd_test=dict(_idd, name='idd', **_val),
)
_tests = [targets['city_test'], targets['idd_test']]
data = dict(train=dict(target=[targets['city'], targets['idd']]), val=_tests, test=_tests)
