# The toy world with two targets: rendered game (labelled) to European city and Indian roads.
_base_ = ['uda_toy_gta_to_toy_cityscapes_128x256.py']
_idd = dict(
    type='IDDDataset',
    data_root='data/toy/idd/',
    img_dir='leftImg8bit/train',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='Compose', transforms={{_base_.unlabeled_steps.toy}})
    ])
_idd_val = dict(
    type='IDDDataset',
    name='idd',
    data_root='data/toy/idd/',
    img_dir='leftImg8bit/val',
    ann_dir='gtFine/val',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=None, img_ratios=[1.0], flip=False, transforms={{_base_.test_steps}})
    ])
data = dict(
    train=dict(target=[{{_base_.data.train.target}}, _idd]),
    val=[{{_base_.toy_val}}, _idd_val],
    test=[{{_base_.toy_val}}, _idd_val])
