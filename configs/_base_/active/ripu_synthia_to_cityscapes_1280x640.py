# RIPU with SYNTHIA as the source: 16 classes.
_base_ = ['ripu_gta_to_cityscapes_1280x640.py']
data = dict(
    train=dict(
        source=dict(
            type='SynthiaDataset',
            data_root={{_base_.roots.synthia}},
            img_dir='RGB',
            ann_dir='GT/LABELS',
            label_space='city16',
        ),
        labeled_target=dict(label_space='city16'),
    ),
    val=dict(label_space='city16'),
    test=dict(label_space='city16'),
)
active = dict(pool=dict(label_space='city16'))
