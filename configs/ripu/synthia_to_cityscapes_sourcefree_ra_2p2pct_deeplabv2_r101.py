# RIPU-RA without source data: start from a source-only network of SYNTHIA (load_from or --load-from), then 2.2 % of the pixels.
_base_ = [
    '../_base_/recipes/ripu_sourcefree_deeplabv2_r101.py',
    '../_base_/active/ripu_synthia_to_cityscapes_1280x640.py',
]
data = dict(
    train=dict(
        source=None,
        rare_class_sampling=None,
        labeled_target=dict(
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadBoughtLabels', img_suffix='_leftImg8bit.png'),
                dict(type='ExactResize', size=(1024, 512), interpolation='bicubic'),
                dict(type='RandomFlip', prob=0.0),
                dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
                dict(type='DefaultFormatBundle'),
                dict(type='Collect', keys=['img', 'gt_semantic_seg']),
            ]
        ),
    )
)
active = dict(acquisition=dict(type='RegionImpurity', radius=9, norm_classes=19), view=dict(size=(512, 1024)))
