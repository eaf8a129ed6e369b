# DAFormer: Cityscapes to Dark Zurich, DeepLabV2 (two dilations) on ResNet-101.
# The released script cleared margins (top 15, bottom 120 rows) here too, although these targets have no ego car.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2red_r101-d8.py',
    '../_base_/datasets/uda_cityscapes_to_darkzurich_512x512.py',
    '../_base_/uda/daformer.py',
    '../_base_/schedules/uda_40k_cnn.py',
]
data = dict(train=dict(rare_class_sampling=dict(min_pixels=3000, class_temp=0.01, min_crop_ratio=0.5)))
