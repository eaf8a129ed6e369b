# HRDA on the fastest network that still learns the toy world (tiny_lite0.py).
_base_ = ['./hrda_segformer_efficientnet_lite0.py']
model = dict(
    backbone=dict(out_indices=(1, 2, 3)),
    decode_head=dict(in_channels=[24, 40, 112], in_index=[0, 1, 2], channels=64, decoder_params=dict(embed_dims=64)),
    hr_crop_size=(64, 128),
)
