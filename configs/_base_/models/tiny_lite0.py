# The fastest network that still learns the toy world: EfficientNet-Lite0 read out up to 1/16, with a narrow all-MLP head.
_base_ = ['./segformer_efficientnet_lite0.py']
model = dict(
    backbone=dict(out_indices=(1, 2, 3)),
    decode_head=dict(in_channels=[24, 40, 112], in_index=[0, 1, 2], channels=64, decoder_params=dict(embed_dims=64)),
)
