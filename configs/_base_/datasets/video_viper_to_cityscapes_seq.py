# VIPER (every 10th of 77 sequences' frames, 1280x720) to Cityscapes-Seq (1024x512), 15 classes, whole frames, one clip each per batch.
# Flow is computed by the data workers and kept; for the published files: flow=dict(type='FlowFiles', root='data/flow/viper').
_base_ = ['street.py']
norm = dict(mean=[104.00698793, 116.66876762, 122.67891434], std=[1.0, 1.0, 1.0], to_rgb=False)
source_flow = dict(type='DISFlow', preset='fast', grid=(1024, 576), cache={{_base_.flow_cache}})
target_flow = dict(type='DISFlow', preset='fast', grid=(1024, 512), cache={{_base_.flow_cache}})
clip_test = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadClip', flow=target_flow),
    dict(
        type='MultiScaleFlipAug',
        img_scale=(1024, 512),
        flip=False,
        transforms=[
            dict(type='ClipResize'),
            dict(type='ClipFlip'),
            dict(type='PackClip', **norm),
            dict(type='ImageToTensor', keys=['img']),
            dict(type='Collect', keys=['img']),
        ],
    ),
]
cityscapes_seq_val = dict(
    type='CityscapesSeqDataset',
    data_root={{_base_.roots.cityscapes}},
    img_dir='leftImg8bit_sequence/val',
    ann_dir='gtFine/val',
    pipeline=clip_test,
)
data = dict(
    samples_per_gpu=1,
    workers_per_gpu=4,
    train=dict(
        type='UDADataset',
        source=dict(
            type='ViperSeqDataset',
            data_root={{_base_.roots.viper}},
            img_dir='train/img',
            ann_dir='train/cls',
            pipeline=[dict(type='TrainingClips', size=(1280, 720), own_car=10, labels=True, flow=source_flow)],
        ),
        target=dict(
            type='CityscapesSeqDataset',
            data_root={{_base_.roots.cityscapes}},
            img_dir='leftImg8bit_sequence/train',
            pipeline=[dict(type='TrainingClips', size=(1024, 512), far=True, flow=target_flow)],
        ),
    ),
    val=cityscapes_seq_val,
    test=cityscapes_seq_val,
)
