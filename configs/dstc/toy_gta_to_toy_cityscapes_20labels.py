# DSTC, co-training: the toy world's rendered game and 20 labelled images of its European city. The recipe
# toy_gta_to_toy_cityscapes_20labels_stages.py makes the warm-ups and runs this config.
_base_ = ['../_base_/recipes/dstc_toy.py', '../_base_/datasets/ssda_toy_gta_to_toy_cityscapes_20labels_128x256.py']
