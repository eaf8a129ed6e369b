# Source-only: SegFormer-B0 on SYNTHIA, tested on Cityscapes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_b0.py',
    '../_base_/datasets/synthia_512x512.py',
    '../_base_/schedules/uda_40k_mit.py',
]
