# Video QuadMix as released (CNN): VIPER to Cityscapes-Seq. A TPS of configs/tps labels for 8000 iterations, and training starts
# from its weights.
_base_ = [
    '../_base_/recipes/quadmix_video_accel_deeplabv2_r101.py',
    '../_base_/datasets/video_viper_to_cityscapes_seq.py',
]
model = dict(fusion=dict(flow_scale='height'))
_tps = 'work_dirs/viper_to_cityscapes_seq_accel_deeplabv2_r101/latest.pth'
uda = dict(
    lambda_t=0.2,
    augmentation=dict(blur_prob=0.0, jitter_prob=0.0, grey_prob=0.0),
    labeler=dict(
        checkpoint=_tps,
        init_student=True,
        model=dict(
            type='FlowFusedSegmentor',
            backbone=dict(type='AdventResNet', depth=101),
            decode_head=dict(
                type='AdventHead',
                in_channels=2048,
                in_index=1,
                dilations=(6, 12, 18, 24),
                num_classes=15,
                align_corners=True,
            ),
            auxiliary_head=dict(
                type='AdventHead',
                in_channels=1024,
                in_index=0,
                dilations=(6, 12, 18, 24),
                num_classes=15,
                align_corners=True,
            ),
            fusion=dict(warp='backward', flow_scale='height'),
            test_cfg=dict(mode='whole'),
        ),
    ),
    quad=dict(always_paste=(3, 4, 5, 7, 13, 14)),
    window_rows=(100, 128),  # as released wherever bicycles are pasted, which is always
)
data = dict(
    train=dict(
        class_patches=dict(
            scale=(1280, 720),
            crop_size=(720, 1280),
            pool=(3, 4, 5, 7, 13, 14),
            num=3,
            passes=1,
            min_pixels=5,
            ascending=True,
            counts=True,
            min_pixels_of=dict(bicycle=100),
            interpolation='bicubic',
        )
    )
)
optimizer = dict(lr=1e-4)
