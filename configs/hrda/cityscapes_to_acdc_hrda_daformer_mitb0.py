# HRDA: Cityscapes to ACDC, HRDA(DAFormer head, MiT-B0).
_base_ = ['../_base_/recipes/hrda_daformer_mitb0.py', '../_base_/datasets/uda_cityscapesHR_to_acdcHR_1024x1024.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
