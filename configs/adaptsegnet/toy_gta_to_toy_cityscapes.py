# AdaptSegNet: the toy world's rendered game to its European city.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/uda_toy_gta_to_toy_cityscapes_128x256.py',
    '../_base_/uda/adaptsegnet.py',
    '../_base_/schedules/adversarial_toy_500.py',
]
uda = dict(lambda_adv=dict(_delete_=True, decode=0.001), discriminator=dict(ndf=16))
