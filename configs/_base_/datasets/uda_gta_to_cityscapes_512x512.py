# GTA5 (labelled) to Cityscapes at half resolution.
_base_ = ['street.py']
# rows of the target's crops that show the ego car and the rectified border, for uda = {{_base_.ego_car}}
ego_car = dict(pseudo_weight_ignore_top=15, pseudo_weight_ignore_bottom=120)
data = dict(
    train=dict(
        type='UDADataset',
        source=dict(
            type='GTADataset',
            data_root={{_base_.roots.gta}},
            img_dir='images',
            ann_dir='labels',
            pipeline=[dict(type='TrainingCrops', img_scale=(1280, 720), crop_size=(512, 512))],
        ),
        target=dict(
            type='CityscapesDataset',
            data_root={{_base_.roots.cityscapes}},
            img_dir='leftImg8bit/train',
            pipeline=[dict(type='TrainingCrops', img_scale=(1024, 512), crop_size=(512, 512))],
        ),
    )
)
