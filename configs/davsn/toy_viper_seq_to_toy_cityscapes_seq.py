# DA-VSN on the toy videos: the game's drives to the European city.
_base_ = ['../_base_/recipes/davsn_toy.py', '../_base_/datasets/video_toy_viper_seq_to_toy_cityscapes_seq_128x256.py']
