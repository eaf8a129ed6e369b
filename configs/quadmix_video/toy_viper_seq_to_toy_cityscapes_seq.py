# Video QuadMix on the toy videos: the game's drives to the European city, from scratch.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/fused_tiny_lite0.py',
    '../_base_/datasets/video_toy_viper_seq_to_toy_cityscapes_seq_128x256.py',
    '../_base_/uda/quadmix_video.py',
    '../_base_/schedules/toy_500.py',
]
# a teacher as fast as a short run needs
uda = dict(labeler=dict(alpha=0.99))
data = dict(
    train=dict(
        class_patches=dict(
            scale=(256, 128), crop_size=(128, 256), pool=[3, 4, 5, 7, 13, 14], num=2, passes=1, min_pixels=5
        )
    )
)
