# Source-only: the toy world's Potsdam (IRRG) to Vaihingen.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/uda_toy_potsdam_irrg_to_vaihingen_128x128.py',
    '../_base_/schedules/toy_500.py',
]
model = dict(decode_head=dict(num_classes=6))
data = dict(train=dict(target=None))
