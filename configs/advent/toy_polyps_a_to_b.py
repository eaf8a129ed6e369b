# AdvEnt: the toy world's polyps of one hospital to another.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/uda_toy_polyps_a_to_b_128x128.py',
    '../_base_/uda/advent.py',
    '../_base_/schedules/adversarial_toy_500.py',
]
model = dict(decode_head=dict(num_classes=2))
uda = dict(lambda_adv=dict(_delete_=True, main=0.001))
