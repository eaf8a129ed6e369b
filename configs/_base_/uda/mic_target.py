# MIC on DACS: masked, augmented target images. Configs of MIC on other methods override the same keys.
_base_ = ['dacs.py']
uda = dict(
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=32),
)
