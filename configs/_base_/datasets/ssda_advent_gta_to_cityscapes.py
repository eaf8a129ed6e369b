# Semi-supervised with the whole images of the ADVENT family: GTA5, 100 labelled Cityscapes images, the rest without labels. Lists
# as in ssda_gta_to_cityscapes_512x512.py.
_base_ = ['advent_gta_to_cityscapes.py']
whole_image = dict(
    type='TrainingCrops',
    img_scale=(1024, 512),
    crop_size=(512, 1024),
    exact='bicubic',
    cat_max_ratio=1.0,
    flip_prob=0.0,
    img_norm_cfg={{_base_._norm}},
)
data = dict(
    train=dict(
        target=dict(split='splits/ssda/train_unlabeled_100_seed0.txt'),
        labeled_target=dict(
            type='CityscapesDataset',
            data_root={{_base_.roots.cityscapes}},
            img_dir='leftImg8bit/train',
            ann_dir='gtFine/train',
            split='splits/ssda/train_labeled_100_seed0.txt',
            pipeline=[whole_image],
        ),
    )
)
