# DACS with 5 labelled images: the toy world's rendered game to its European city.
_base_ = ['toy_gta_to_toy_cityscapes_10labels.py']
_splits = '{{ fileDirname }}/../_base_/datasets/splits/toy_cityscapes'
data = dict(
    train=dict(
        target=dict(split=f'{_splits}_unlabeled_5_seed0.txt'),
        labeled_target=dict(split=f'{_splits}_labeled_5_seed0.txt'),
    )
)
