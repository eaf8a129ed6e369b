# MIC on DACS: the toy world's polyps of one hospital to another.
_base_ = ['../_base_/recipes/mic_dacs_toy.py', '../_base_/datasets/uda_toy_polyps_a_to_b_128x128.py']
