# HRDA on the toy world drawn at 512x256, detail crops of 128x256: rendered game to European city.
_base_ = ['../_base_/recipes/hrda_toy.py', '../_base_/datasets/uda_toy_gtaHR_to_toy_cityscapesHR_256x512.py']
model = dict(hr_crop_size=(128, 256))
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
