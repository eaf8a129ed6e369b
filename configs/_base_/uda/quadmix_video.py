# Video QuadMix with the defaults of the class: a mean teacher labels, and what the released code does by accident is put right.
uda = dict(
    type='VideoQuadMix',
    lambda_t=1.0,
    labeler=dict(network='ema', alpha=0.999),
    flip_prob=0.5,
    flip_flow='consistent',
    augmentation=dict(type='ClipColorJitterBlur'),
    quad=dict(
        type='QuadMixer',
        num_source_classes=2,
        num_target_classes=2,
        paste_order=('source', 'patches', 'target'),
    ),
    confidence=0.9,
    key_confidence='softmax',
    flow_mask='current',
    overlay='clamped',
    target_draw='at_use',
    lambda_mmd=0.01,
    absent='skip',
    far_term=True,
    source_pass='full',
)
