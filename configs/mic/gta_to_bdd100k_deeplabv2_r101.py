# MIC on DAFormer's training: GTA5 to BDD100K, DeepLabV2 (two dilations) on ResNet-101.
_base_ = ['../_base_/recipes/mic_deeplabv2_r101.py', '../_base_/datasets/uda_gta_to_bdd100k_512x512.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
