# Oracle: supervised training on Cityscapes at full resolution with photometric distortion.
_base_ = ['uda_gtaHR_to_cityscapesHR_1024x1024.py']
data = dict(
    train=dict(
        source=dict(
            type='CityscapesDataset',
            data_root={{_base_.roots.cityscapes}},
            img_dir='leftImg8bit/train',
            ann_dir='gtFine/train',
            pipeline=[dict(type='TrainingCrops', img_scale=(2048, 1024), crop_size=(1024, 1024), distortion=True)],
        ),
        target=None,
    )
)
