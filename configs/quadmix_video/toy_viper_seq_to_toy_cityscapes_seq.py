# Video QuadMix on the toy videos: the game's drives to the European city, from scratch.
_base_ = [
    '../_base_/recipes/quadmix_video_toy.py',
    '../_base_/datasets/video_toy_viper_seq_to_toy_cityscapes_seq_128x256.py',
]
data = dict(
    train=dict(
        class_patches=dict(
            scale=(256, 128), crop_size=(128, 256), pool=[3, 4, 5, 7, 13, 14], num=2, passes=1, min_pixels=5
        )
    )
)
