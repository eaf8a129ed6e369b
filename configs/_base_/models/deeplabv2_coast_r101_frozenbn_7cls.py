# As deeplabv2_coast_r101_frozenbn with the 7 super classes.
_base_ = ['deeplabv2_coast_r101_frozenbn.py']
model = dict(decode_head=dict(num_classes=7))
