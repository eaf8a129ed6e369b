# MIC: Cityscapes to Dark Zurich, HRDA(DAFormer head, MiT-B0).
_base_ = ['../hrda/cityscapes_to_darkzurich_hrda_daformer_mitb0.py']
uda = dict(
    mask_mode='separate',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=64),
)
