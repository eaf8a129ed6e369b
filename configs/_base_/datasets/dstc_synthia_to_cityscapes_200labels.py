# As dstc_synthia_to_cityscapes_100labels.py with 200 labelled images.
_base_ = ['dstc_synthia_to_cityscapes_100labels.py']
data = dict(
    train=dict(
        target=dict(split='splits/ssda/train_unlabeled_200_seed0.txt'),
        labeled_target=dict(split='splits/ssda/train_labeled_200_seed0.txt'),
    )
)
