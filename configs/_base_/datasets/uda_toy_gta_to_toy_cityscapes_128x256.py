# The toy world: rendered-game appearance (labelled) to European city. data/toy is drawn on demand.
_base_ = ['street.py']
rare_classes = dict(min_pixels=100, class_temp=0.1)
crops = dict(type='TrainingCrops', img_scale=(256, 128), crop_size=(128, 256))
native_test = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=None, img_ratios=[1.0], flip=False, transforms={{_base_.test_steps}}),
]
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=1,
    cache=dict(memory_mb=256),  # in every data worker: the images are few and small
    train=dict(
        type='UDADataset',
        source=dict(
            type='GTADataset', data_root={{_base_.roots.toy_gta}}, img_dir='images', ann_dir='labels', pipeline=[crops]
        ),
        target=dict(
            type='CityscapesDataset',
            data_root={{_base_.roots.toy_cityscapes}},
            img_dir='leftImg8bit/train',
            pipeline=[crops],
        ),
    ),
    val=dict(data_root={{_base_.roots.toy_cityscapes}}, pipeline=native_test),
    test=dict(data_root={{_base_.roots.toy_cityscapes}}, pipeline=native_test),
)
