# GTA5 to Cityscapes as VFM-UDA loads them: short side 1440 or 1024, times 0.9 to 1.1, crops of 1024x1024, sliding windows in the test.
_base_ = ['uda_gtaHR_to_cityscapesHR_1024x1024.py']
rare_classes = dict(class_temp=0.05, max_crops=21)
# 3 % of the sides, 25 % at the bottom
ego_car = dict(crop_pseudo_margins=[31, 256, 61, 61])
_scaled = dict(type='TrainingCrops', ratio_range=(0.9, 1.1), crop_size=(1024, 1024), black_padding=True)
# sources and targets of further data bases
gta = dict(
    type='GTADataset',
    data_root={{_base_.roots.gta}},
    img_dir='images',
    ann_dir='labels',
    pipeline=[dict(_scaled, img_scale=(2560, 1440))],
)
synthia = dict(
    type='SynthiaDataset',
    data_root={{_base_.roots.synthia}},
    img_dir='RGB',
    ann_dir='GT/LABELS',
    pipeline=[dict(_scaled, img_scale=(1725, 1024))],
)
synscapes = dict(
    type='SynscapesDataset',
    data_root={{_base_.roots.synscapes}},
    img_dir='img/rgb',
    ann_dir='img/class',
    pipeline=[dict(_scaled, img_scale=(2048, 1024))],
)
urbansyn = dict(
    type='UrbanSynDataset',
    data_root={{_base_.roots.urbansyn}},
    img_dir='rgb',
    ann_dir='ss',
    pipeline=[dict(_scaled, img_scale=(2048, 1024))],
)
cityscapes = dict(
    type='CityscapesDataset',
    data_root={{_base_.roots.cityscapes}},
    img_dir='leftImg8bit/train',
    crop_pseudo_margins=[31, 256, 61, 61],
    pipeline=[dict(_scaled, img_scale=(2048, 1024))],
)
acdc = dict(
    type='ACDCDataset',
    data_root={{_base_.roots.acdc}},
    img_dir='rgb_anon/train',
    crop_pseudo_margins=[32, 270, 58, 58],
    pipeline=[dict(_scaled, img_scale=(1820, 1024))],
)
dark_zurich = dict(
    acdc, type='DarkZurichDataset', data_root={{_base_.roots.dark_zurich}}, img_dir='rgb_anon/train/night'
)
mapillary = dict(
    type='MapillaryDataset',
    data_root={{_base_.roots.mapillary}},
    img_dir='training/images',
    pipeline=[dict(_scaled, img_scale=(1820, 1024))],
)
bdd100k = dict(
    type='BDD100KDataset',
    data_root={{_base_.roots.bdd100k}},
    img_dir='images/10k/train',
    pipeline=[dict(_scaled, img_scale=(1820, 1024))],
)
data = dict(
    train=dict(
        source=dict(pipeline=[dict(_scaled, img_scale=(2560, 1440))]),
        target=dict(pipeline=[dict(_scaled, img_scale=(2048, 1024))]),
    )
)
