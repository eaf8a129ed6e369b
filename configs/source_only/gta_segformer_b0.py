# Source-only: SegFormer-B0 on GTA5, tested on Cityscapes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_b0.py',
    '../_base_/datasets/gta_512x512.py',
    '../_base_/schedules/uda_40k_mit.py',
]
