# QuadMix on MIC, with the defaults of the class: what the released code does by accident is put right.
_base_ = ['mic_hrda.py']
uda = dict(
    type='QuadMix',
    start_iter=6000,
    confidence=0.9,
    pass_weights=dict(tss=0.5, tst=0.5),
    quad=dict(directions=('ss', 'st', 'ts', 'tt'), num_source_classes=2, num_target_classes=2),
)
