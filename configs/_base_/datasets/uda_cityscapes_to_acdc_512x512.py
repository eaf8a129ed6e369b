# Cityscapes (clear weather, labelled) to ACDC (fog, night, rain, snow), both at half resolution.
_base_ = ['street.py']
acdc_val = dict(
    type='ACDCDataset',
    data_root={{_base_.roots.acdc}},
    img_dir='rgb_anon/val',
    ann_dir='gt/val',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=(960, 540), flip=False, transforms={{_base_.test_steps}}),
    ],
)
data = dict(
    train=dict(
        type='UDADataset',
        source=dict(
            type='CityscapesDataset',
            data_root={{_base_.roots.cityscapes}},
            img_dir='leftImg8bit/train',
            ann_dir='gtFine/train',
            pipeline=[dict(type='TrainingCrops', img_scale=(1024, 512), crop_size=(512, 512))],
        ),
        target=dict(
            type='ACDCDataset',
            data_root={{_base_.roots.acdc}},
            img_dir='rgb_anon/train',
            pipeline=[dict(type='TrainingCrops', img_scale=(960, 540), crop_size=(512, 512))],
        ),
    ),
    val=acdc_val,
    test=acdc_val,
)
