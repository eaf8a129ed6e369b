# Source-only: polyps of one hospital to another, SegFormer-B5.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_b5.py',
    '../_base_/datasets/uda_polyps_a_to_b_352x352.py',
    '../_base_/schedules/uda_40k_mit.py',
]
model = dict(decode_head=dict(num_classes=2))
data = dict(train=dict(target=None))
