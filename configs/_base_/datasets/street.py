# What all street data sets share: where they lie, the test steps, the Cityscapes evaluation at half resolution.
import os

# The folder of all data sets. One that lies elsewhere: change its line.
_data = os.environ.get('MMSEG_UDA_DATA', 'data')
roots = dict(
    acdc=f'{_data}/acdc/',
    cityscapes=f'{_data}/cityscapes/',
    dark_zurich=f'{_data}/dark_zurich/',
    gta=f'{_data}/gta/',
    idd=f'{_data}/idd/',
    mapillary=f'{_data}/mapillary/',
    synthia=f'{_data}/synthia/',
    toy_acdc=f'{_data}/toy/acdc/',
    toy_cityscapes=f'{_data}/toy/cityscapes/',
    toy_gta=f'{_data}/toy/gta/',
    toy_idd=f'{_data}/toy/idd/',
    toy_mapillary=f'{_data}/toy/mapillary/',
    toy_synthia=f'{_data}/toy/synthia/',
)
# where STAL's rounds note the images that they bought
bought = dict(
    camvid=os.environ.get('MMSEG_UDA_CAMVID', f'{_data}/camvid') + '/active',
    cityscapes=f'{_data}/cityscapes/active',
    toy_cityscapes=f'{_data}/toy/cityscapes/active',
)
# rare-class sampling of DAFormer; a config switches it on with data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
rare_classes = dict(min_pixels=3000, class_temp=0.01, min_crop_ratio=0.5)
test_steps = [
    dict(type='Resize', keep_ratio=True),
    dict(type='RandomFlip'),
    dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
    dict(type='ImageToTensor', keys=['img']),
    dict(type='Collect', keys=['img']),
]
cityscapes_val = dict(
    type='CityscapesDataset',
    data_root=roots['cityscapes'],
    img_dir='leftImg8bit/val',
    ann_dir='gtFine/val',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=(1024, 512), flip=False, transforms=test_steps),
    ],
)
data = dict(samples_per_gpu=2, workers_per_gpu=4, val=cityscapes_val, test=cityscapes_val)
