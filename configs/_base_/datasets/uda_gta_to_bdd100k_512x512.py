# GTA5 (labelled) to BDD100K (the 10k images of its semantic segmentation), both at 1280x720.
_base_ = ['uda_gta_to_cityscapes_512x512.py']
_val = dict(
    type='BDD100KDataset',
    data_root={{_base_.roots.bdd100k}},
    img_dir='images/10k/val',
    ann_dir='labels/sem_seg/masks/val',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=(1280, 720), flip=False, transforms={{_base_.test_steps}}),
    ],
)
_target = dict(
    type='BDD100KDataset',
    data_root={{_base_.roots.bdd100k}},
    img_dir='images/10k/train',
    pipeline=[dict(type='TrainingCrops', img_scale=(1280, 720), crop_size=(512, 512))],
)
data = dict(train=dict(target=_target), val=_val, test=_val)
