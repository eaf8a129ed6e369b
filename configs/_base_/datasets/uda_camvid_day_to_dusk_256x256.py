# CamVid by day (labelled source) to CamVid at dusk (target). 480x360 images, 11 classes.
# Root: data_root, else the environment variable MMSEG_UDA_CAMVID, else data/camvid.
_base_ = ['street.py']
rare_classes = dict(min_pixels=300, class_temp=0.1)
crops = dict(type='TrainingCrops', img_scale=(480, 360), ratio_range=(0.75, 1.5), crop_size=(256, 256))
dusk_val = dict(
    _delete_=True,
    type='CamVidDataset',
    ann_dir='labels',
    split='splits/dusk_val.txt',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=(480, 360), flip=False, transforms={{_base_.test_steps}}),
    ],
)
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=1,
    cache=dict(memory_mb=512),  # in every data worker: the images are few and small
    train=dict(
        type='UDADataset',
        source=dict(type='CamVidDataset', ann_dir='labels', split='splits/day_train.txt', pipeline=[crops]),
        target=dict(type='CamVidDataset', split='splits/dusk_train.txt', pipeline=[crops]),
    ),
    val=dusk_val,
    test=dusk_val,
)
