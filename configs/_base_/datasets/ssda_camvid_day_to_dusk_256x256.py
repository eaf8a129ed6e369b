# Semi-supervised: CamVid by day, 10 labelled dusk frames, the other 52 without labels. The lists come from
# tools/make_ssda_split.py configs/_base_/datasets/uda_camvid_day_to_dusk_256x256.py --number 10 --seed 0
_base_ = ['uda_camvid_day_to_dusk_256x256.py']
data = dict(
    train=dict(
        target=dict(split='{{ fileDirname }}/splits/camvid_dusk_unlabeled_10_seed0.txt'),
        labeled_target=dict(
            type='CamVidDataset',
            ann_dir='labels',
            pipeline=[{{_base_.crops}}],
            split='{{ fileDirname }}/splits/camvid_dusk_labeled_10_seed0.txt',
        ),
    )
)
