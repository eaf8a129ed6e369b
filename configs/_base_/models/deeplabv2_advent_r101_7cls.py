# As deeplabv2_advent_r101 with the 7 super classes.
_base_ = ['deeplabv2_advent_r101.py']
model = dict(decode_head=dict(num_classes=7), auxiliary_head=dict(num_classes=7))
