# MIC: GTA5 to Cityscapes, HRDA(DAFormer head, MiT-B0).
_base_ = ['../hrda/gta_to_cityscapes_hrda_daformer_mitb0.py']
uda = dict(
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=64),
)
