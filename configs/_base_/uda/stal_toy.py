# STAL for the toy world: a short memory bank and narrow representations; 4 % of the pixels are hard enough to be mined. In so short a run the
# class confidences have to forget their random start soon (0.99), and a teacher of the first iterations, which would spread a class of its
# initialisation over the target, must not teach.
_base_ = ['stal.py']
uda = dict(
    consistency_start=0.2,
    confidence=dict(momentum=0.99),
    ohem=dict(min_kept_per_image=1400),
    representation=dict(channels=64),
    contrast=dict(num_queries=64, num_negatives=32, bank_size=2000),
)
