# MIC on HRDA: CamVid by day to dusk. Blocks are scaled to 256x256 crops.
_base_ = ['../hrda/camvid_day_to_dusk_hrda_segformer_efficientnet_lite0.py']
uda = dict(
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=16),
    # this network has batch norm in every layer: masked images must not shape the statistics that it is tested with
    mask_running_statistics=False,
)
