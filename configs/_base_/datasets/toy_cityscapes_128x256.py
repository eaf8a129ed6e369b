# Oracle: supervised training on the toy world's European city.
_base_ = ['uda_toy_cityscapes_to_toy_acdc_128x256.py']
data = dict(
    train=dict(target=None),
    val={{_base_.toy_val}},
    test={{_base_.toy_val}})
