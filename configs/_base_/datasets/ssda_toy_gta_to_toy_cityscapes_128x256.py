# Semi-supervised: the toy world's rendered game, 10 labelled images of its European city, the other 290 without labels. The
# lists come from tools/make_ssda_split.py configs/_base_/datasets/uda_toy_gta_to_toy_cityscapes_128x256.py --number 10 --seed 0
_base_ = ['uda_toy_gta_to_toy_cityscapes_128x256.py']
data = dict(
    train=dict(
        target=dict(split='{{ fileDirname }}/splits/toy_cityscapes_unlabeled_10_seed0.txt'),
        labeled_target=dict(
            type='CityscapesDataset',
            data_root={{_base_.roots.toy_cityscapes}},
            img_dir='leftImg8bit/train',
            ann_dir='gtFine/train',
            split='{{ fileDirname }}/splits/toy_cityscapes_labeled_10_seed0.txt',
            pipeline=[{{_base_.crops}}],
        ),
    )
)
