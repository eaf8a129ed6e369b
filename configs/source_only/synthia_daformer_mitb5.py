# Source-only: the DAFormer network (MiT-B5) on SYNTHIA, tested on Cityscapes.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/daformer_sepaspp_mitb5.py',
    '../_base_/datasets/synthia_512x512.py',
    '../_base_/schedules/uda_40k_mit.py',
]
