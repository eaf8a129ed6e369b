# The toy world from above: LoveDA, villages (labelled) to towns. data/toy is drawn on demand.
_base_ = ['tile_tests.py']
crops = dict(type='TrainingCrops', img_scale=(128, 128), crop_size=(128, 128))
_val = dict(
    type='LoveDADataset',
    data_root={{_base_.roots.toy_loveda}},
    img_dir='Val/Urban/images_png',
    ann_dir='Val/Urban/masks_png',
    pipeline={{_base_.tile_test}},
)
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=1,
    train=dict(
        type='UDADataset',
        source=dict(
            type='LoveDADataset',
            data_root={{_base_.roots.toy_loveda}},
            img_dir='Train/Rural/images_png',
            ann_dir='Train/Rural/masks_png',
            pipeline=[crops],
        ),
        target=dict(
            type='LoveDADataset',
            data_root={{_base_.roots.toy_loveda}},
            img_dir='Train/Urban/images_png',
            pipeline=[crops],
        ),
    ),
    val=_val,
    test=_val,
)
