# Source-only: SegFormer-B5 on Cityscapes, tested on ACDC.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_b5.py',
    '../_base_/datasets/cityscapes_acdc_512x512.py',
    '../_base_/schedules/uda_40k_mit.py',
]
