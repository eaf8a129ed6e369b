# 2500 iterations of a small vision transformer from random weights: one rate, weight decay for everything but norms and positions. The
# classifier is ten times as fast: behind a layer norm its weights (0.1 at the start) bound the scores, and at the common rate no pixel would reach
# the confidence of 0.968 in 500 iterations, so that pseudo-labels would never count.
_base_ = ['camvid_2500.py']
optimizer = dict(
    lr=5e-4,
    paramwise_cfg=dict(_delete_=True, layer_decay=1.0, no_decay='auto', custom_keys=dict(conv_seg=dict(lr_mult=10.0))),
)
engine = dict(_delete_=True)
