# MIC: SYNTHIA to Cityscapes, HRDA(DAFormer, MiT-B5).
_base_ = ['../hrda/synthia_to_cityscapes_hrda_daformer_mitb5.py']
uda = dict(
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=64),
)
