# DACS as it was released in 2020: COCO weights, SGD, 250k iterations of 512x512 crops, classes drawn per image, mean-only images.
# Evaluation is ours (full label resolution): the release reduces the labels to 1024x512, and keeps the best checkpoint.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_dacs2020_r101.py',
    '../_base_/datasets/uda_gta_to_cityscapes_512x512.py',
    '../_base_/uda/dacs.py',
]
_norm = dict(mean=[104.00698793, 116.66876762, 122.67891434], std=[1.0, 1.0, 1.0], to_rgb=False)
_crops = dict(type='TrainingCrops', crop_size=(512, 512), cat_max_ratio=1.0, flip_prob=0.0, img_norm_cfg=_norm)
_evaluation = dict(
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(
            type='MultiScaleFlipAug',
            img_scale=(1024, 512),
            flip=False,
            transforms=[
                dict(type='Resize', keep_ratio=True),
                dict(type='RandomFlip'),
                dict(type='Normalize', **_norm),
                dict(type='ImageToTensor', keys=['img']),
                dict(type='Collect', keys=['img']),
            ],
        ),
    ]
)
data = dict(
    train=dict(
        source=dict(pipeline=[dict(_crops, img_scale=(1280, 720), exact='bicubic')]),
        target=dict(pipeline=[dict(_crops, img_scale=(1024, 512), exact='bilinear')]),
    ),
    val=_evaluation,
    test=_evaluation,
)
# the release updates the teacher after the step: after the first one it equals the student
uda = dict(teacher=dict(alpha=0.99, delay=1), class_scope='image', color_jitter_strength=0.25)
optimizer = dict(
    type='SGD',
    lr=2.5e-4,
    momentum=0.9,
    weight_decay=5e-4,
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)
optimizer_config = dict()
lr_config = dict(policy='poly', power=0.9, min_lr=0.0, by_epoch=False)
runner = dict(type='IterBasedRunner', max_iters=250000)
checkpoint_config = dict(by_epoch=False, interval=5000, max_keep_ckpts=2)
evaluation = dict(interval=5000, metric='mIoU')
