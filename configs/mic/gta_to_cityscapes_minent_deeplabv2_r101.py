# MIC on entropy minimisation: GTA5 to Cityscapes, DeepLabV2 (two dilations) on ResNet-101.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2red_r101-d8.py',
    '../_base_/datasets/uda_gta_to_cityscapes_512x512.py',
    '../_base_/uda/mic_adaptation.py',
    '../_base_/schedules/uda_40k_sgd.py',
]
uda = dict(type='MinEnt', lambda_ent=dict(main=0.001))
