# As dstc_synthia_to_cityscapes_100labels.py with 1000 labelled images.
_base_ = ['dstc_synthia_to_cityscapes_100labels.py']
data = dict(
    train=dict(
        target=dict(split='splits/ssda/train_unlabeled_1000_seed0.txt'),
        labeled_target=dict(split='splits/ssda/train_labeled_1000_seed0.txt'),
    )
)
