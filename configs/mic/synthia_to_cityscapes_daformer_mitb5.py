# MIC without HRDA: SYNTHIA to Cityscapes, the DAFormer network (MiT-B5).
_base_ = ['../_base_/recipes/mic_daformer_mitb5.py', '../_base_/datasets/uda_synthia_to_cityscapes_512x512.py']
uda = {{_base_.ego_car}}
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
