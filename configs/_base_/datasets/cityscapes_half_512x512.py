# Oracle: supervised training on Cityscapes at half resolution with photometric distortion.
_base_ = ['street.py']
data = dict(
    train=dict(
        type='UDADataset',
        source=dict(
            type='CityscapesDataset',
            data_root={{_base_.roots.cityscapes}},
            img_dir='leftImg8bit/train',
            ann_dir='gtFine/train',
            pipeline=[dict(type='TrainingCrops', img_scale=(1024, 512), crop_size=(512, 512), distortion=True)],
        ),
    )
)
