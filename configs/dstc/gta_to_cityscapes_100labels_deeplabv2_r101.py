# DSTC, co-training: GTA5 and 100 labelled Cityscapes images, DeepLabV2 on ResNet-101. The recipe
# gta_to_cityscapes_100labels_deeplabv2_r101_stages.py makes the warm-ups and runs this config.
_base_ = ['../_base_/recipes/dstc_deeplabv2_r101.py', '../_base_/datasets/dstc_gta_to_cityscapes_100labels.py']
