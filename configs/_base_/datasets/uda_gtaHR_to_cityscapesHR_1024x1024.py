# GTA5 (labelled) to Cityscapes at full resolution (HRDA, MIC).
_base_ = ['street_steps.py']
_cityscapes_val_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=(2048, 1024), flip=False, transforms={{_base_.test_steps}})
]
data = dict(
    train=dict(
        type='UDADataset',
        source=dict(
            type='GTADataset',
            data_root='data/gta/',
            img_dir='images',
            ann_dir='labels',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='Resize', img_scale=(2560, 1440)),
                dict(type='Compose', transforms={{_base_.labeled_steps.crop1024}})
            ]),
        target=dict(
            type='CityscapesDataset',
            data_root='data/cityscapes/',
            img_dir='leftImg8bit/train',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='Resize', img_scale=(2048, 1024)),
                dict(type='Compose', transforms={{_base_.unlabeled_steps.crop1024}})
            ])),
    val=dict(pipeline=_cityscapes_val_pipeline),
    test=dict(pipeline=_cityscapes_val_pipeline))
