# MIC on DAFormer's training at half resolution: masked, augmented target images.
_base_ = ['daformer.py']
uda = dict(
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=32),
)
