# SegFormer-B0.
_base_ = ['./segformer_b5.py']
model = dict(
    pretrained='pretrained/mit_b0.pth',
    backbone=dict(type='mit_b0'),
    decode_head=dict(in_channels=[32, 64, 160, 256], decoder_params=dict(embed_dims=256)),
)
