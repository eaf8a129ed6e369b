# Video QuadMix with the defaults of the class: VIPER to Cityscapes-Seq, from the ImageNet weights.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/fused_deeplabv2_advent_r101.py',
    '../_base_/datasets/video_viper_to_cityscapes_seq.py',
    '../_base_/uda/quadmix_video.py',
    '../_base_/schedules/tps_40k.py',
]
uda = dict(lambda_t=0.2)
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
        )
    )
)
optimizer = dict(lr=1e-4)
