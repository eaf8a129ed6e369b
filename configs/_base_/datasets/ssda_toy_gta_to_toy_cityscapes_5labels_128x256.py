# As ssda_toy_gta_to_toy_cityscapes_128x256.py with 5 labelled images, the other 295 without labels.
_base_ = ['ssda_toy_gta_to_toy_cityscapes_128x256.py']
data = dict(
    train=dict(
        target=dict(split='{{ fileDirname }}/splits/toy_cityscapes_unlabeled_5_seed0.txt'),
        labeled_target=dict(split='{{ fileDirname }}/splits/toy_cityscapes_labeled_5_seed0.txt'),
    )
)
