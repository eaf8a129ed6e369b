# DAFormer: Cityscapes to ACDC, the DAFormer head on MiT-B0.
# The released script cleared margins (top 15, bottom 120 rows) here too, although these targets have no ego car.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/daformer_sepaspp_mitb0.py',
    '../_base_/datasets/uda_cityscapes_to_acdc_512x512.py',
    '../_base_/uda/daformer.py',
    '../_base_/schedules/uda_40k_mit.py',
]
data = dict(train=dict(rare_class_sampling=dict(min_pixels=3000, class_temp=0.01, min_crop_ratio=0.5)))
