# Source-only training frame by frame: the toy world's game drives, tested on the videos of its European city.
_base_ = [
    '../_base_/recipes/source_only_toy.py',
    '../_base_/datasets/uda_toy_viper_seq_to_toy_cityscapes_seq_128x256.py',
]
model = dict(decode_head=dict(num_classes=15))
data = dict(train=dict(target=None))
