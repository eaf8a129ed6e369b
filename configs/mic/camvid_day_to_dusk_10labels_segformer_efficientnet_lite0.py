# MIC on the DAFormer-style run: CamVid by day to dusk, 10 labelled frames; they are masked as well and keep their labels.
_base_ = ['../daformer/camvid_day_to_dusk_10labels_segformer_efficientnet_lite0.py']
uda = dict(
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=16),
    mask_running_statistics=False,
    labeled_target=dict(mask=1.0),
)
