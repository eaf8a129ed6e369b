# STAL's crops as released: the padding of small images is trained as road.
_base_ = ['stal_gta_to_cityscapes_769x769.py']
crop_steps = [
    dict(type='MedianScaleResize', scale_range=(0.5, 2.0)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PaddedCrop', crop_size=769, seg_pad_val=0),
    dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
    dict(type='DefaultFormatBundle'),
    dict(type='Collect', keys=['img', 'gt_semantic_seg']),
]
read_labeled = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
data = dict(
    train=dict(
        source=dict(
            pipeline=[*read_labeled, dict(type='ExactResize', size=(2048, 1024), interpolation='lanczos'), *crop_steps]
        ),
        labeled_target=dict(pipeline=[*read_labeled, *crop_steps]),
    )
)
