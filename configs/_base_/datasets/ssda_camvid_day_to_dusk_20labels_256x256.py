# As ssda_camvid_day_to_dusk_256x256.py with 20 labelled dusk frames, the other 42 without labels.
_base_ = ['ssda_camvid_day_to_dusk_256x256.py']
data = dict(
    train=dict(
        target=dict(split='{{ fileDirname }}/splits/camvid_dusk_unlabeled_20_seed0.txt'),
        labeled_target=dict(split='{{ fileDirname }}/splits/camvid_dusk_labeled_20_seed0.txt'),
    )
)
