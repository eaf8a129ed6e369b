# Source-only training on clips: the toy world's game drives, tested on the videos of its European city.
_base_ = [
    '../_base_/recipes/source_only_video_toy.py',
    '../_base_/datasets/video_toy_viper_seq_to_toy_cityscapes_seq_128x256.py',
]
data = dict(train=dict(target=None))
