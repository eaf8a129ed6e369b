# QuadMix on MIC, with the defaults of the class: what the released code does by accident is put right.
_base_ = ['daformer.py']
uda = dict(
    type='QuadMix',
    start_iter=6000,
    confidence=0.9,
    pass_weights=dict(tss=0.5, tst=0.5),
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=64),
    quad=dict(directions=('ss', 'st', 'ts', 'tt'), num_source_classes=2, num_target_classes=2),
)
