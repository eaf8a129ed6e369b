# 2500 iterations of a small vision transformer from random weights: one rate for all, weight decay for everything but norms and positions.
_base_ = ['camvid_2500.py']
optimizer = dict(lr=5e-4, paramwise_cfg=dict(_delete_=True, layer_decay=1.0, no_decay='auto'))
engine = dict(_delete_=True)
