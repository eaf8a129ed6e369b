# Video QuadMix as released (CNN): SYNTHIA-Seq to Cityscapes-Seq. A TPS of configs/tps labels for 8000 iterations, and training starts
# from its weights.
_base_ = [
    '../_base_/recipes/quadmix_video_accel_deeplabv2_r101.py',
    '../_base_/datasets/video_synthia_seq_to_cityscapes_seq.py',
]
model = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12), fusion=dict(flow_scale='height'))
_tps = 'work_dirs/synthia_seq_to_cityscapes_seq_accel_deeplabv2_r101/latest.pth'
uda = dict(
    lambda_t=1.0,
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
                num_classes=12,
                align_corners=True,
            ),
            auxiliary_head=dict(
                type='AdventHead',
                in_channels=1024,
                in_index=0,
                dilations=(6, 12, 18, 24),
                num_classes=12,
                align_corners=True,
            ),
            fusion=dict(warp='backward', flow_scale='height'),
            test_cfg=dict(mode='whole'),
        ),
    ),
    quad=dict(always_paste=(3, 4, 5, 6, 10)),
)
data = dict(
    train=dict(
        class_patches=dict(
            scale=(1280, 760),
            crop_size=(640, 1280),
            cut_bottom=120 / 760,
            pool=(3, 4, 5, 6, 10),
            num=2,
            passes=1,
            min_pixels=5,
            ascending=True,
            counts=True,
            interpolation='bicubic',
        )
    )
)
optimizer = dict(lr=2.5e-4)
