# DSTC's data: GTA5 (1280x720), 100 labelled Cityscapes images (1024x512), the rest without labels. Pillow's bicubic filter, BGR minus the mean,
# 512x512 crops, no flip, no colour change. Lists: tools/make_ssda_split.py configs/_base_/datasets/uda_gta_to_cityscapes_512x512.py
# --number 100 200 500 1000 --out-dir data/cityscapes/splits/ssda. data.test.score_size='(1024,512)' gives the published half-size score.
_base_ = ['street.py']
_norm = dict(mean=[104.00698793, 116.66876762, 122.67891434], std=[1.0, 1.0, 1.0], to_rgb=False)
_crops = dict(
    type='TrainingCrops', crop_size=(512, 512), exact='bicubic', cat_max_ratio=1.0, flip_prob=0.0, img_norm_cfg=_norm
)
_target = dict(
    type='CityscapesDataset',
    data_root={{_base_.roots.cityscapes}},
    img_dir='leftImg8bit/train',
    pipeline=[dict(img_scale=(1024, 512), **_crops)],
)
_val = dict(
    type='CityscapesDataset',
    data_root={{_base_.roots.cityscapes}},
    img_dir='leftImg8bit/val',
    ann_dir='gtFine/val',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(
            type='MultiScaleFlipAug',
            img_scale=(1024, 512),
            flip=False,
            transforms=[
                dict(type='ExactResize', size=(1024, 512), interpolation='bicubic'),
                dict(type='RandomFlip'),
                dict(type='Normalize', **_norm),
                dict(type='ImageToTensor', keys=['img']),
                dict(type='Collect', keys=['img']),
            ],
        ),
    ],
)
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=2,
    train=dict(
        type='UDADataset',
        source=dict(
            type='GTADataset',
            data_root={{_base_.roots.gta}},
            img_dir='images',
            ann_dir='labels',
            pipeline=[dict(img_scale=(1280, 720), **_crops)],
        ),
        target=dict(split='splits/ssda/train_unlabeled_100_seed0.txt', **_target),
        labeled_target=dict(ann_dir='gtFine/train', split='splits/ssda/train_labeled_100_seed0.txt', **_target),
    ),
    val=_val,
    test=_val,
)
synthia = dict(
    _delete_=True,
    type='SynthiaDataset',
    data_root={{_base_.roots.synthia}},
    img_dir='RGB',
    ann_dir='GT/LABELS',
    label_space='city16',
    pipeline=[dict(img_scale=(1280, 760), **_crops)],
)
