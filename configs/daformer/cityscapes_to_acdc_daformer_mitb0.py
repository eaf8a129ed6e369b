# DAFormer: Cityscapes to ACDC, the DAFormer head on MiT-B0.
# The released script cleared margins (top 15, bottom 120 rows) here too, although these targets have no ego car.
_base_ = ['../_base_/recipes/daformer_mitb0.py', '../_base_/datasets/uda_cityscapes_to_acdc_512x512.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
