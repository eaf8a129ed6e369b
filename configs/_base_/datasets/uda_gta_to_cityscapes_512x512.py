# GTA5 (labelled) to Cityscapes at half resolution.
_base_ = ['street_tests.py']
data = dict(
    train=dict(
        type='UDADataset',
        source=dict(
            type='GTADataset',
            data_root='data/gta/',
            img_dir='images',
            ann_dir='labels',
            pipeline=[dict(type='TrainingCrops', img_scale=(1280, 720), crop_size=(512, 512))],
        ),
        target=dict(
            type='CityscapesDataset',
            data_root='data/cityscapes/',
            img_dir='leftImg8bit/train',
            pipeline=[dict(type='TrainingCrops', img_scale=(1024, 512), crop_size=(512, 512))],
        ),
    )
)
