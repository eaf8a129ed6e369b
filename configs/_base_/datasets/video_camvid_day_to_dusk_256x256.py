# CamVid by day to CamVid at dusk as clips. The key frame is the labelled frame before, mostly one second earlier: flow is then half right, and
# what the frame before does not show keeps its own scores (occlusion). Root: data_root, else MMSEG_UDA_CAMVID, else data/camvid.
_base_ = ['street.py']
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
flow = dict(type='DISFlow', cache={{_base_.flow_cache}})
clips = dict(
    type='TrainingClips',
    size=(480, 360),
    crop_size=(256, 256),
    flip_prob=0.5,
    flow=flow,
    occlusion='forward_backward',
    img_norm_cfg=img_norm_cfg,
)
clip_test = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadClip', flow=flow, occlusion='forward_backward'),
    dict(
        type='MultiScaleFlipAug',
        img_scale=(480, 360),
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
dusk_val = dict(
    _delete_=True, type='CamVidSeqDataset', ann_dir='labels', split='splits/dusk_val.txt', pipeline=clip_test
)
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=1,
    train=dict(
        type='UDADataset',
        source=dict(
            type='CamVidSeqDataset',
            ann_dir='labels',
            split='splits/day_train.txt',
            pipeline=[dict(clips, labels=True)],
        ),
        target=dict(type='CamVidSeqDataset', split='splits/dusk_train.txt', pipeline=[dict(clips, far=True)]),
    ),
    val=dusk_val,
    test=dusk_val,
)
