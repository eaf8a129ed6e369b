# DACS with ESL's entropy criterion in place of the probability threshold: GTA5 to Cityscapes, DeepLabV2 (two dilations) on ResNet-101.
_base_ = ['../dacs/gta_to_cityscapes_deeplabv2_r101.py']
uda = dict(pseudo_labeler=dict(type='EntropyPseudoLabel', mode='image_ratio'))
