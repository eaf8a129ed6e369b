# DACS: Potsdam (IRRG) to Vaihingen, SegFormer-B5.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_b5.py',
    '../_base_/datasets/uda_potsdam_irrg_to_vaihingen_512x512.py',
    '../_base_/uda/dacs.py',
    '../_base_/schedules/uda_40k_mit.py',
]
model = dict(decode_head=dict(num_classes=6))
