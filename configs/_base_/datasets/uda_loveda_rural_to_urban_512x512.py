# LoveDA in the layout of its download: Rural (labelled) to Urban, 1024x1024 tiles of 0.3 m, evaluated on Val/Urban.
_base_ = ['tile_tests.py']
crops = dict(type='TrainingCrops', img_scale=(1024, 1024), crop_size=(512, 512))
_val = dict(
    type='LoveDADataset',
    data_root={{_base_.roots.loveda}},
    img_dir='Val/Urban/images_png',
    ann_dir='Val/Urban/masks_png',
    pipeline={{_base_.tile_test}},
)
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=4,
    train=dict(
        type='UDADataset',
        source=dict(
            type='LoveDADataset',
            data_root={{_base_.roots.loveda}},
            img_dir='Train/Rural/images_png',
            ann_dir='Train/Rural/masks_png',
            pipeline=[crops],
        ),
        target=dict(
            type='LoveDADataset', data_root={{_base_.roots.loveda}}, img_dir='Train/Urban/images_png', pipeline=[crops]
        ),
    ),
    val=_val,
    test=_val,
)
