# TPS as released: labels by the student in training mode, mirrored frames with a flow that is not theirs, and an augmentation
# that takes normalised frames modulo 256.
_base_ = ['tps.py']
uda = dict(
    labeler=dict(network='student', mode='train'),
    flip_flow='legacy',
    augmentation=dict(type='ClipAugmentation', range_of_values='legacy_u8'),
)
