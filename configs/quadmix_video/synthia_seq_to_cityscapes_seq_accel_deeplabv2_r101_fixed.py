# Video QuadMix with the defaults of the class: SYNTHIA-Seq to Cityscapes-Seq, from the ImageNet weights.
_base_ = [
    '../_base_/recipes/quadmix_video_fixed_accel_deeplabv2_r101.py',
    '../_base_/datasets/video_synthia_seq_to_cityscapes_seq.py',
]
model = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
uda = dict(lambda_t=1.0, quad=dict(always_paste=(3, 4, 5, 6, 10)))
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
optimizer = dict(lr=2.5e-4)
