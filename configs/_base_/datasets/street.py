# What the street data sets share: the test steps, the Cityscapes evaluation at half resolution.
_base_ = ['roots.py']
# rare-class sampling of DAFormer; a config switches it on with data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
rare_classes = dict(min_pixels=3000, class_temp=0.01, min_crop_ratio=0.5)
test_steps = [
    dict(type='Resize', keep_ratio=True),
    dict(type='RandomFlip'),
    dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
    dict(type='ImageToTensor', keys=['img']),
    dict(type='Collect', keys=['img']),
]
cityscapes_val = dict(
    type='CityscapesDataset',
    data_root={{_base_.roots.cityscapes}},
    img_dir='leftImg8bit/val',
    ann_dir='gtFine/val',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=(1024, 512), flip=False, transforms=test_steps),
    ],
)
data = dict(samples_per_gpu=2, workers_per_gpu=4, val=cityscapes_val, test=cityscapes_val)
