# DSTC, co-training: SYNTHIA and 1000 labelled Cityscapes images, DeepLabV2 on ResNet-101. The recipe
# synthia_to_cityscapes_1000labels_deeplabv2_r101_stages.py makes the warm-ups and runs this config.
_base_ = ['../_base_/recipes/dstc_deeplabv2_r101.py', '../_base_/datasets/dstc_synthia_to_cityscapes_1000labels.py']
