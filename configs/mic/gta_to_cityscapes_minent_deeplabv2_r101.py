# MIC on entropy minimisation: GTA5 to Cityscapes, DeepLabV2 (two dilations) on ResNet-101.
_base_ = ['../_base_/recipes/mic_adaptation_deeplabv2_r101.py', '../_base_/datasets/uda_gta_to_cityscapes_512x512.py']
uda = dict(type='MinEnt', lambda_ent=dict(decode=0.001))
