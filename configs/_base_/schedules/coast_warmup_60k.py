# CoaST's first stage, with the effective rates of the released optimiser: as ADVENT's, classifiers at ten times the rate.
_base_ = ['advent_120k_official_lr.py']
optimizer = dict(segmentor=dict(weight_decay=2e-4))
lr_config = dict(horizon=60000)
runner = dict(max_iters=60000)
checkpoint_config = dict(interval=1000)
evaluation = dict(interval=5000)
