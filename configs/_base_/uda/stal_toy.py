# STAL for the toy world: a short memory bank and narrow representations; 4 % of the pixels are hard enough to be mined. In so short a run a
# teacher of the first iterations would spread a class of its initialisation over the target: consistency begins after 30 %.
_base_ = ['stal.py']
uda = dict(
    ohem=dict(min_kept_per_image=1400),
    consistency_start=0.3,
    representation=dict(channels=64),
    contrast=dict(num_queries=64, num_negatives=32, bank_size=2000))
