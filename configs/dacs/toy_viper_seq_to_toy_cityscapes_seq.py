# DACS frame by frame on the toy videos: the game's drives to the European city.
_base_ = ['../_base_/recipes/dacs_toy.py', '../_base_/datasets/uda_toy_viper_seq_to_toy_cityscapes_seq_128x256.py']
model = dict(decode_head=dict(num_classes=15))
