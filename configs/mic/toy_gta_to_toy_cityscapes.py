# MIC on the DAFormer-style run of the toy world.
_base_ = ['../daformer/toy_gta_to_toy_cityscapes.py']
uda = dict(
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=16),
    # this network has batch norm in every layer: masked images must not shape the statistics that it is tested with
    mask_running_statistics=False,
)
