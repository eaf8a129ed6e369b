# AdvEnt: polyps of one hospital to another, SegFormer-B5.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_b5.py',
    '../_base_/datasets/uda_polyps_a_to_b_352x352.py',
    '../_base_/uda/advent.py',
    '../_base_/schedules/adversarial_40k_mit.py',
]
model = dict(decode_head=dict(num_classes=2))
uda = dict(lambda_adv=dict(_delete_=True, main=0.001))
