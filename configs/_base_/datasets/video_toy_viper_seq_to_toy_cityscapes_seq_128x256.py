# The toy videos as clips: the game's drives (labelled) to the European city. The flow is computed by the data workers and kept.
_base_ = ['street.py']
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
flow = dict(type='DISFlow', cache={{_base_.flow_cache}})
clips = dict(type='TrainingClips', size=(256, 128), flip_prob=0.5, flow=flow, img_norm_cfg=img_norm_cfg)
clip_test = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadClip', flow=flow),
    dict(
        type='MultiScaleFlipAug',
        img_scale=(256, 128),
        flip=False,
        transforms=[
            dict(type='ClipResize'),
            dict(type='ClipFlip'),
            dict(type='PackClip', **img_norm_cfg),
            dict(type='ImageToTensor', keys=['img']),
            dict(type='Collect', keys=['img']),
        ],
    ),
]
_val = dict(
    type='CityscapesSeqDataset',
    data_root={{_base_.roots.toy_cityscapes_seq}},
    img_dir='leftImg8bit_sequence/val',
    ann_dir='gtFine/val',
    pipeline=clip_test,
)
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=1,
    train=dict(
        type='UDADataset',
        source=dict(
            type='ViperSeqDataset',
            data_root={{_base_.roots.toy_viper_seq}},
            img_dir='train/img',
            ann_dir='train/cls',
            pipeline=[dict(clips, own_car=10, labels=True)],
        ),
        target=dict(
            type='CityscapesSeqDataset',
            data_root={{_base_.roots.toy_cityscapes_seq}},
            img_dir='leftImg8bit_sequence/train',
            pipeline=[dict(clips, far=True)],
        ),
    ),
    val=_val,
    test=_val,
)
