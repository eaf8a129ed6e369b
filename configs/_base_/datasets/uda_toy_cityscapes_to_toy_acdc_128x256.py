# The toy world: European city by day (labelled) to night and fog.
_base_ = ['uda_toy_gta_to_toy_cityscapes_128x256.py']
data = dict(
    train=dict(
        source=dict(
            type='CityscapesDataset',
            data_root='data/toy/cityscapes/',
            img_dir='leftImg8bit/train',
            ann_dir='gtFine/train'),
        target=dict(type='ACDCDataset', data_root='data/toy/acdc/', img_dir='rgb_anon/train')),
    val=dict(type='ACDCDataset', data_root='data/toy/acdc/', img_dir='rgb_anon/val', ann_dir='gt/val'),
    test=dict(type='ACDCDataset', data_root='data/toy/acdc/', img_dir='rgb_anon/val', ann_dir='gt/val'))
