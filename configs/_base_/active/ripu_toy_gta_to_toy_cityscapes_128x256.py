# RIPU on the toy world: rendered game (labelled), city images with the pixels bought so far.
_base_ = ['../datasets/uda_toy_gta_to_toy_cityscapes_128x256.py']
toy_train = dict(type='CityscapesDataset', data_root={{_base_.roots.toy_cityscapes}}, img_dir='leftImg8bit/train')
data = dict(
    samples_per_gpu=2,
    train=dict(
        target=None,
        labeled_target=dict(
            **toy_train,
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadBoughtLabels', img_suffix='_leftImg8bit.png'),
                dict(type='Resize', img_scale=(256, 128)),
                dict(type='RandomFlip', prob=0.5),
                dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
                dict(type='DefaultFormatBundle'),
                dict(type='Collect', keys=['img', 'gt_semantic_seg']),
            ],
        ),
    ),
)
active = dict(
    pool=dict(**toy_train, ann_dir='gtFine/train'),
    budget=dict(share=0.022, rounds=5),
    acquisition=dict(type='RegionImpurity', radius=1),
    view=dict(mode='whole'),
)
custom_hooks = [dict(type='ActiveSelectionHook', iters=[200, 250, 300, 350, 400])]
