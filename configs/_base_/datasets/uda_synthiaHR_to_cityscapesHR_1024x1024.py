# SYNTHIA-RAND-CITYSCAPES (labelled) to Cityscapes at full resolution (HRDA, MIC); scored over 16 and 13 classes.
_base_ = ['uda_gtaHR_to_cityscapesHR_1024x1024.py']
data = dict(
    train=dict(
        source=dict(
            type='SynthiaDataset',
            data_root={{_base_.roots.synthia}},
            img_dir='RGB',
            ann_dir='GT/LABELS',
            pipeline=[dict(type='TrainingCrops', img_scale=(2560, 1520), crop_size=(1024, 1024))],
        )
    )
)
