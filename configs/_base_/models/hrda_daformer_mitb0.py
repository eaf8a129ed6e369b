# HRDA on the DAFormer head with the smallest backbone.
_base_ = ['./hrda_daformer_mitb5.py']
model = dict(
    pretrained='pretrained/mit_b0.pth', backbone=dict(type='mit_b0'), decode_head=dict(in_channels=[32, 64, 160, 256])
)
