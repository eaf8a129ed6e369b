# MIC on the DAFormer-style run: the toy world, 10 labelled images; they are masked as well and keep their labels.
_base_ = ['../daformer/toy_gta_to_toy_cityscapes_10labels.py']
uda = dict(
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=16),
    mask_running_statistics=False,
    labeled_target=dict(mask=1.0),
)
