# With the 16 classes that SYNTHIA shares with Cityscapes.
_base_ = ['ripu_deeplabv2_r101.py']
model = dict(decode_head=dict(num_classes=16))
