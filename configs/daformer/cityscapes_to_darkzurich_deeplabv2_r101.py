# DAFormer: Cityscapes to Dark Zurich, DeepLabV2 (two dilations) on ResNet-101.
# The released script cleared margins (top 15, bottom 120 rows) here too, although these targets have no ego car.
_base_ = ['../_base_/recipes/daformer_deeplabv2_r101.py', '../_base_/datasets/uda_cityscapes_to_darkzurich_512x512.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
