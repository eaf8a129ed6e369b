# HRDA: SYNTHIA to Cityscapes, HRDA(DAFormer head, MiT-B0).
_base_ = ['../_base_/recipes/hrda_daformer_mitb0.py', '../_base_/datasets/uda_synthiaHR_to_cityscapesHR_1024x1024.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}, target={{_base_.ego_car}}))
