# RIPU on CamVid: crops by day, dusk frames with the pixels bought so far.
_base_ = ['../datasets/uda_camvid_day_to_dusk_256x256.py']
data = dict(
    samples_per_gpu=2,
    train=dict(
        target=None,
        labeled_target=dict(
            type='CamVidDataset',
            split='splits/dusk_train.txt',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadBoughtLabels', img_suffix='.jpg'),
                dict(type='Resize', img_scale=(480, 360), ratio_range=(0.75, 1.5)),
                dict(type='RandomCrop', crop_size=(256, 256)),
                dict(type='RandomFlip', prob=0.5),
                dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
                dict(type='Pad', size=(256, 256), pad_val=0, seg_pad_val=255),
                dict(type='DefaultFormatBundle'),
                dict(type='Collect', keys=['img', 'gt_semantic_seg']),
            ],
        ),
    ),
)
active = dict(
    pool=dict(type='CamVidDataset', ann_dir='labels', split='splits/dusk_train.txt'),
    budget=dict(share=0.022, rounds=5),
    acquisition=dict(type='RegionImpurity', radius=1),
    view=dict(mode='whole'),
)
custom_hooks = [dict(type='ActiveSelectionHook', iters=[600, 750, 900, 1050, 1200])]
