# RIPU-RA: SYNTHIA to Cityscapes, 5 % of the pixels of every image. DeepLabV3+ on ResNet-101.
_base_ = ['../_base_/recipes/ripu_deeplabv3plus_r101.py', '../_base_/active/ripu_synthia_to_cityscapes_1280x640.py']
active = dict(budget=dict(share=0.05))
