# Video QuadMix with the defaults of the class: VIPER to Cityscapes-Seq, from the ImageNet weights.
_base_ = [
    '../_base_/recipes/quadmix_video_fixed_accel_deeplabv2_r101.py',
    '../_base_/datasets/video_viper_to_cityscapes_seq.py',
]
uda = dict(lambda_t=0.2, quad=dict(always_paste=(3, 4, 5, 7, 13, 14)))
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
