# The medical toy example in plain folders: polyps of one hospital (labelled) to those of another.
_base_ = ['tile_tests.py']
crops = dict(type='TrainingCrops', img_scale=(128, 128), crop_size=(128, 128))
# the masks hold 0 and 255
_polyps = dict(
    type='FolderDataset',
    data_root={{_base_.roots.toy_polyps}},
    classes=['background', 'polyp'],
    palette=[[0, 0, 0], [255, 255, 255]],
    id_map={0: 0, 255: 1},
)
_val = dict(img_dir='hospital_b/val/images', ann_dir='hospital_b/val/masks', **_polyps, pipeline={{_base_.tile_test}})
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=1,
    train=dict(
        type='UDADataset',
        source=dict(img_dir='hospital_a/train/images', ann_dir='hospital_a/train/masks', **_polyps, pipeline=[crops]),
        target=dict(img_dir='hospital_b/train/images', **_polyps, pipeline=[crops]),
    ),
    val=_val,
    test=_val,
)
