# STAL as the released code trains: the most certain pseudo-labels are dropped, and the contrastive loss pairs classes with the banks of
# others and hardly finds keys (Q1 to Q4 of docs/methods/stal.md).
_base_ = ['stal.py']
uda = dict(
    drop='low_official',
    joint_forward=False,
    epoch_iters=200,
    contrast=dict(official=True, low_percent=20.0, high_percent=80.0, bank_size_overrides={'0': 50000}),
)
