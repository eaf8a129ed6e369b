# HRDA: Cityscapes to ACDC, HRDA(DeepLabV2, ResNet-101).
_base_ = ['../_base_/recipes/hrda_deeplabv2_r101.py', '../_base_/datasets/uda_cityscapesHR_to_acdcHR_1024x1024.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
