# Oracle: SegFormer-B5 on the labels of Cityscapes at half resolution.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_b5.py',
    '../_base_/datasets/cityscapes_half_512x512.py',
    '../_base_/schedules/uda_40k_mit.py',
]
