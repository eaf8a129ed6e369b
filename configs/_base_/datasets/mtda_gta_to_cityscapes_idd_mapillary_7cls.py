# GTA5 (labelled) to Cityscapes, IDD and Mapillary Vistas, 7 classes (MTAF, CoaST).
_base_ = ['mtda_gta_to_cityscapes_idd_7cls.py']
mapillary = dict(
    type='MapillaryDataset',
    data_root='data/mapillary/',
    img_dir='training/images',
    label_space='super7',
    pipeline={{_base_.unlabeled_pipeline.super7}})
mapillary_val = dict(
    mapillary,
    name='mapillary',
    img_dir='validation/images',
    ann_dir='validation/labels',
    pipeline={{_base_.test_pipeline.super7}})
data = dict(
    train=dict(target=[{{_base_.cityscapes}}, {{_base_.idd}}, mapillary]),
    val=[{{_base_.cityscapes_val}}, {{_base_.idd_val}}, mapillary_val],
    test=[{{_base_.cityscapes_val}}, {{_base_.idd_val}}, mapillary_val])
