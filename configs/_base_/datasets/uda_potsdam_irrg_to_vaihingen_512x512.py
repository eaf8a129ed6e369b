# ISPRS as MMSegmentation's converters cut it: Potsdam in near infrared, red, green (labelled) to Vaihingen, which has the same
# bands.
_base_ = ['tile_tests.py']
crops = dict(type='TrainingCrops', img_scale=(512, 512), crop_size=(512, 512))
_val = dict(
    type='ISPRSDataset',
    data_root={{_base_.roots.vaihingen}},
    img_dir='img_dir/val',
    ann_dir='ann_dir/val',
    pipeline={{_base_.tile_test}},
)
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=4,
    train=dict(
        type='UDADataset',
        source=dict(
            type='PotsdamDataset',
            data_root={{_base_.roots.potsdam_irrg}},
            img_dir='img_dir/train',
            ann_dir='ann_dir/train',
            pipeline=[crops],
        ),
        target=dict(
            type='ISPRSDataset', data_root={{_base_.roots.vaihingen}}, img_dir='img_dir/train', pipeline=[crops]
        ),
    ),
    val=_val,
    test=_val,
)
