# DAFormer's training on the toy world with 10 labelled images: rendered game to European city.
_base_ = ['../_base_/recipes/daformer_toy.py', '../_base_/datasets/ssda_toy_gta_to_toy_cityscapes_128x256.py']
uda = dict(labeled_target=dict(supervise=1.0))
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
