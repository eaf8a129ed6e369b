# Semi-supervised: GTA5, 100 labelled Cityscapes images, the rest without labels. The lists come from tools/make_ssda_split.py
# configs/_base_/datasets/uda_gta_to_cityscapes_512x512.py --number 100 --out-dir data/cityscapes/splits/ssda
_base_ = ['uda_gta_to_cityscapes_512x512.py']
data = dict(
    train=dict(
        target=dict(split='splits/ssda/train_unlabeled_100_seed0.txt'),
        labeled_target=dict(
            type='CityscapesDataset',
            data_root={{_base_.roots.cityscapes}},
            img_dir='leftImg8bit/train',
            ann_dir='gtFine/train',
            split='splits/ssda/train_labeled_100_seed0.txt',
            pipeline=[dict(type='TrainingCrops', img_scale=(1024, 512), crop_size=(512, 512))],
        ),
    )
)
