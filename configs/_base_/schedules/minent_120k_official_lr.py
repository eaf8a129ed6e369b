# As advent_120k_official_lr without discriminators.
_base_ = ['advent_120k_official_lr.py']
optimizer = dict(_delete_=True, segmentor={{_base_.optimizer.segmentor}})
