# GTA5 (labelled) to Cityscapes and IDD, 19 classes (MTAF, CoaST).
_base_ = ['mtda_steps.py']
gta = dict(
    type='GTADataset',
    data_root='data/gta/',
    img_dir='images',
    ann_dir='labels',
    label_space='city19',
    pipeline={{_base_.labeled_pipeline.city19}})
cityscapes = dict(
    type='CityscapesDataset',
    data_root='data/cityscapes/',
    img_dir='leftImg8bit/train',
    label_space='city19',
    pipeline={{_base_.unlabeled_pipeline.city19}})
idd = dict(cityscapes, type='IDDDataset', data_root='data/idd/')
cityscapes_val = dict(
    cityscapes, name='cityscapes', img_dir='leftImg8bit/val', ann_dir='gtFine/val', pipeline={{_base_.test_pipeline.city19}})
idd_val = dict(cityscapes_val, type='IDDDataset', name='idd', data_root='data/idd/')
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=4,
    train=dict(type='UDADataset', source=gta, target=[cityscapes, idd]),
    val=[cityscapes_val, idd_val],
    test=[cityscapes_val, idd_val])
