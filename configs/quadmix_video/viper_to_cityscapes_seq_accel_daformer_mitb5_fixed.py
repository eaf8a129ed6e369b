# Video QuadMix with the defaults of the class (transformer): VIPER to Cityscapes-Seq.
_base_ = [
    '../_base_/recipes/quadmix_video_fixed_accel_daformer_mitb5.py',
    '../_base_/datasets/video_viper_to_cityscapes_seq_rgb.py',
]
uda = dict(lambda_t=0.2, far_term=False, quad=dict(always_paste=(3, 4, 5, 7, 13, 14)))
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
