# DACS with 20 labelled frames: CamVid by day to CamVid at dusk. Small network for a CPU.
_base_ = ['camvid_day_to_dusk_10labels_segformer_efficientnet_lite0.py']
_splits = '{{ fileDirname }}/../_base_/datasets/splits/camvid_dusk'
data = dict(
    train=dict(
        target=dict(split=f'{_splits}_unlabeled_20_seed0.txt'),
        labeled_target=dict(split=f'{_splits}_labeled_20_seed0.txt'),
    )
)
