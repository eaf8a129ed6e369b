# 40k iterations for networks on a vision transformer: the encoder at a tenth of the rate, falling from block to block; no weight decay for
# one-dimensional parameters, positions and tokens.
_base_ = ['uda_40k_cnn.py']
optimizer = dict(lr=6e-4, paramwise_cfg=dict(_delete_=True, layer_decay=0.9, backbone_mult=0.1, no_decay='auto'))
