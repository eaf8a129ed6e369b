# MIC without HRDA: GTA5 to Cityscapes, the DAFormer network (MiT-B5).
_base_ = ['../daformer/gta_to_cityscapes_daformer_mitb5.py']
uda = dict(
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=32),
)
