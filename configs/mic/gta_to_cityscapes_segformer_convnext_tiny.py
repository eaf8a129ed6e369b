# MIC on DAFormer's training: GTA5 to Cityscapes, SegFormer's head on timm's ConvNeXt-T.
_base_ = ['../_base_/recipes/mic_segformer_convnext_tiny.py', '../_base_/datasets/uda_gta_to_cityscapes_512x512.py']
uda = {{_base_.ego_car}}
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
