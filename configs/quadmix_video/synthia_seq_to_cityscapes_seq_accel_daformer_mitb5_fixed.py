# Video QuadMix with the defaults of the class (transformer): SYNTHIA-Seq to Cityscapes-Seq.
_base_ = [
    '../_base_/recipes/quadmix_video_fixed_accel_daformer_mitb5.py',
    '../_base_/datasets/video_synthia_seq_to_cityscapes_seq_rgb.py',
]
model = dict(decode_head=dict(num_classes=12))
uda = dict(lambda_t=1.0, far_term=False, quad=dict(always_paste=(3, 4, 5, 6, 10)))
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
        )
    )
)
