# VIPER to Cityscapes-Seq with the normalisation that ImageNet weights of transformers expect; the released code feeds them BGR minus the
# mean as well.
_base_ = ['video_viper_to_cityscapes_seq.py']
norm = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
clip_test = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadClip', flow={{_base_.target_flow}}),
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
data = dict(
    train=dict(
        source=dict(
            pipeline=[
                dict(
                    type='TrainingClips',
                    size=(1280, 720),
                    own_car=10,
                    labels=True,
                    flow={{_base_.source_flow}},
                    img_norm_cfg=norm,
                )
            ]
        ),
        target=dict(
            pipeline=[
                dict(type='TrainingClips', size=(1024, 512), far=True, flow={{_base_.target_flow}}, img_norm_cfg=norm)
            ]
        ),
    ),
    val=dict(pipeline=clip_test),
    test=dict(pipeline=clip_test),
)
