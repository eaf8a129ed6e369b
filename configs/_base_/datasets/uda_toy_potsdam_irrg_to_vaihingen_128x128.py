# The toy world from above: Potsdam (labelled) to Vaihingen, both in near infrared, red and green.
_base_ = ['tile_tests.py']
crops = dict(type='TrainingCrops', img_scale=(128, 128), crop_size=(128, 128))
_val = dict(
    type='ISPRSDataset',
    data_root={{_base_.roots.toy_vaihingen}},
    img_dir='img_dir/val',
    ann_dir='ann_dir/val',
    pipeline={{_base_.tile_test}},
)
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=1,
    train=dict(
        type='UDADataset',
        source=dict(
            type='PotsdamDataset',
            data_root={{_base_.roots.toy_potsdam_irrg}},
            img_dir='img_dir/train',
            ann_dir='ann_dir/train',
            pipeline=[crops],
        ),
        target=dict(
            type='ISPRSDataset', data_root={{_base_.roots.toy_vaihingen}}, img_dir='img_dir/train', pipeline=[crops]
        ),
    ),
    val=_val,
    test=_val,
)
