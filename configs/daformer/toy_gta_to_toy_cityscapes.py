# DAFormer's training on the toy world: rendered game to European city. The teacher is as fast as a short run needs.
_base_ = ['../_base_/recipes/daformer_toy.py', '../_base_/datasets/uda_toy_gta_to_toy_cityscapes_128x256.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
