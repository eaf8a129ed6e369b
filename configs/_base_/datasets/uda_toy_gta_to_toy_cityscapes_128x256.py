# The toy world: rendered-game appearance (labelled) to European city. data/toy is drawn on demand.
_base_ = ['street_steps.py']
_toy_labeled = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Compose', transforms={{_base_.labeled_steps.toy}}),
]
toy_val = dict(
    type='CityscapesDataset',
    data_root='data/toy/cityscapes/',
    img_dir='leftImg8bit/val',
    ann_dir='gtFine/val',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=None, img_ratios=[1.0], flip=False, transforms={{_base_.test_steps}})
    ])
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=1,
    train=dict(
        type='UDADataset',
        source=dict(
            type='GTADataset', data_root='data/toy/gta/', img_dir='images', ann_dir='labels', pipeline=_toy_labeled),
        target=dict(
            type='CityscapesDataset',
            data_root='data/toy/cityscapes/',
            img_dir='leftImg8bit/train',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='Compose', transforms={{_base_.unlabeled_steps.toy}})
            ])),
    val=toy_val,
    test=toy_val)
