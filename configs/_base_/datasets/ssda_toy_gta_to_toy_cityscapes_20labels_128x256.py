# As ssda_toy_gta_to_toy_cityscapes_128x256.py with 20 labelled images, the other 280 without labels.
_base_ = ['ssda_toy_gta_to_toy_cityscapes_128x256.py']
data = dict(
    train=dict(
        target=dict(split='{{ fileDirname }}/splits/toy_cityscapes_unlabeled_20_seed0.txt'),
        labeled_target=dict(split='{{ fileDirname }}/splits/toy_cityscapes_labeled_20_seed0.txt'),
    )
)
