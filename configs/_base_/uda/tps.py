# TPS with the defaults of the class: what the released code does by accident is put right.
uda = dict(
    type='TPS',
    lambda_t=1.0,
    labeler=dict(network='student'),
    flip_prob=0.5,
    flip_flow='consistent',
    augmentation=dict(type='ClipColorJitterBlur'),
    scale_range=(0.80, 1.19),
    match_frames=True,
)
