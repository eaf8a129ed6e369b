# Source-only: LoveDA, Rural to Urban, SegFormer-B5.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_b5.py',
    '../_base_/datasets/uda_loveda_rural_to_urban_512x512.py',
    '../_base_/schedules/uda_40k_mit.py',
]
model = dict(decode_head=dict(num_classes=7))
data = dict(train=dict(target=None))
