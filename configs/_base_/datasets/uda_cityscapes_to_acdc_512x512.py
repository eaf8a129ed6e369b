# Cityscapes (clear weather, labelled) to ACDC (fog, night, rain, snow), both at half resolution.
_base_ = ['street_steps.py']
_acdc_val = dict(
    type='ACDCDataset',
    data_root='data/acdc/',
    img_dir='rgb_anon/val',
    ann_dir='gt/val',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=(960, 540), flip=False, transforms={{_base_.test_steps}})
    ])
data = dict(
    train=dict(
        type='UDADataset',
        source=dict(
            type='CityscapesDataset',
            data_root='data/cityscapes/',
            img_dir='leftImg8bit/train',
            ann_dir='gtFine/train',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='Resize', img_scale=(1024, 512)),
                dict(type='Compose', transforms={{_base_.labeled_steps.crop512}})
            ]),
        target=dict(
            type='ACDCDataset',
            data_root='data/acdc/',
            img_dir='rgb_anon/train',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='Resize', img_scale=(960, 540)),
                dict(type='Compose', transforms={{_base_.unlabeled_steps.crop512}})
            ])),
    val=_acdc_val,
    test=_acdc_val)
