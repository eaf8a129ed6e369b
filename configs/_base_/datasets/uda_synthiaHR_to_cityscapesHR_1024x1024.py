# SYNTHIA-RAND-CITYSCAPES (labelled) to Cityscapes at full resolution (HRDA, MIC); scored over 16 and 13 classes.
_base_ = ['uda_gtaHR_to_cityscapesHR_1024x1024.py']
data = dict(
    train=dict(
        source=dict(
            type='SynthiaDataset',
            data_root='data/synthia/',
            img_dir='RGB',
            ann_dir='GT/LABELS',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='Resize', img_scale=(2560, 1520)),
                dict(type='Compose', transforms={{_base_.labeled_steps.crop1024}})
            ])))
