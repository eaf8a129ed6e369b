# MIC on the DAFormer-style run: the toy world, 10 labelled images; they are masked as well and keep their labels.
_base_ = ['../_base_/recipes/mic_toy.py', '../_base_/datasets/ssda_toy_gta_to_toy_cityscapes_128x256.py']
uda = dict(labeled_target=dict(supervise=1.0, mask=0.1))
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
