# DAFormer's training on the toy world drawn at 512x256, in half of that size: the baseline of HRDA, which adds the details.
_base_ = ['../_base_/recipes/daformer_toy.py', '../_base_/datasets/uda_toy_gtaHR_to_toy_cityscapesHR_128x256.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
