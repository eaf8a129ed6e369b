# RIPU: whole images without augmentation, GTA5 at 1280x720, Cityscapes at 1280x640 with the pixels bought so far; test with flipping.
_base_ = ['../datasets/street.py']
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
format_steps = [
    dict(type='RandomFlip', prob=0.0),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='DefaultFormatBundle'),
    dict(type='Collect', keys=['img', 'gt_semantic_seg']),
]
cityscapes_train = dict(type='CityscapesDataset', data_root={{_base_.roots.cityscapes}}, img_dir='leftImg8bit/train')
flipped_test = [
    dict(type='LoadImageFromFile'),
    dict(
        type='MultiScaleFlipAug',
        img_scale=(1280, 640),
        flip=True,
        transforms=[
            dict(type='Resize', keep_ratio=True),
            dict(type='RandomFlip'),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='ImageToTensor', keys=['img']),
            dict(type='Collect', keys=['img']),
        ],
    ),
]
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=4,
    train=dict(
        type='UDADataset',
        # classes that were shown rarely are drawn, as in the released code
        rare_class_sampling=dict(type='ClassUniformSampler', period=3000),
        source=dict(
            type='GTADataset',
            data_root={{_base_.roots.gta}},
            img_dir='images',
            ann_dir='labels',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='ExactResize', size=(1280, 720), interpolation='bicubic'),
                *format_steps,
            ],
        ),
        labeled_target=dict(
            **cityscapes_train,
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadBoughtLabels', img_suffix='_leftImg8bit.png'),
                dict(type='ExactResize', size=(1280, 640), interpolation='bicubic'),
                *format_steps,
            ],
        ),
    ),
    val=dict(pipeline=flipped_test),
    test=dict(pipeline=flipped_test),
)
active = dict(
    pool=dict(**cityscapes_train, ann_dir='gtFine/train'),
    budget=dict(share=0.022, rounds=5),
    # the released code divides by log 19 for 16 classes as well
    acquisition=dict(type='RegionImpurity', radius=1, norm_classes=19),
    view=dict(mode='squash', size=(640, 1280)),
)
