# STAL: GTA5 and the bought Cityscapes images (labelled), the rest of Cityscapes (unlabelled); full resolution, crops of 769.
# The bought images are read from active.folder, which tools/active_loop.py replaces by a folder of its own.
_base_ = ['../datasets/street.py']
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
crop_steps = [
    dict(type='MedianScaleResize', scale_range=(0.5, 2.0)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PaddedCrop', crop_size=769),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='DefaultFormatBundle'),
]
labeled_steps = [*crop_steps, dict(type='Collect', keys=['img', 'gt_semantic_seg'])]
read_labeled = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
source_pipeline = [*read_labeled, dict(type='ExactResize', size=(2048, 1024), interpolation='lanczos'), *labeled_steps]
cityscapes_train = dict(type='CityscapesDataset', data_root={{_base_.roots.cityscapes}}, img_dir='leftImg8bit/train')
full_size_test = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=(2048, 1024), flip=False, transforms={{_base_.test_steps}}),
]
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=4,
    train=dict(
        type='UDADataset',
        source=dict(
            type='GTADataset',
            data_root={{_base_.roots.gta}},
            img_dir='images',
            ann_dir='labels',
            pipeline=source_pipeline,
        ),
        labeled_target=dict(
            **cityscapes_train,
            ann_dir='gtFine/train',
            split='active/labeled.txt',
            pipeline=[*read_labeled, *labeled_steps],
        ),
        target=dict(
            **cityscapes_train,
            split='active/unlabeled.txt',
            pipeline=[dict(type='LoadImageFromFile'), *crop_steps, dict(type='Collect', keys=['img'])],
        ),
    ),
    val=dict(pipeline=full_size_test),
    test=dict(pipeline=full_size_test),
)
active = dict(
    pool=dict(**cityscapes_train, ann_dir='gtFine/train'),
    folder={{_base_.bought.cityscapes}},
    # the published runs start from the first 30 names of U2PL's list of 186: initial=dict(list='FILE')
    initial=dict(count=30, seed=0),
    budget=dict(images=[]),
    acquisition=dict(type='MeanEntropy', norm_classes=19),
    group_by='folder',
    view=dict(mode='squash', size=769),
)
