# Semi-supervised at full resolution (HRDA, MIC): GTA5, 100 labelled Cityscapes images, the rest without labels. Lists as in
# ssda_gta_to_cityscapes_512x512.py.
_base_ = ['uda_gtaHR_to_cityscapesHR_1024x1024.py']
data = dict(
    train=dict(
        target=dict(split='splits/ssda/train_unlabeled_100_seed0.txt'),
        labeled_target=dict(
            type='CityscapesDataset',
            data_root={{_base_.roots.cityscapes}},
            img_dir='leftImg8bit/train',
            ann_dir='gtFine/train',
            split='splits/ssda/train_labeled_100_seed0.txt',
            pipeline=[dict(type='TrainingCrops', img_scale=(2048, 1024), crop_size=(1024, 1024))],
        ),
    )
)
