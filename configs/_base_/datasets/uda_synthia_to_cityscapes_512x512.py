# SYNTHIA-RAND-CITYSCAPES (labelled) to Cityscapes at half resolution; scored over 16 and 13 classes.
_base_ = ['uda_gta_to_cityscapes_512x512.py']
data = dict(
    train=dict(
        source=dict(
            type='SynthiaDataset',
            data_root={{_base_.roots.synthia}},
            img_dir='RGB',
            ann_dir='GT/LABELS',
            pipeline=[dict(type='TrainingCrops', img_scale=(1280, 760), crop_size=(512, 512))],
        )
    )
)
