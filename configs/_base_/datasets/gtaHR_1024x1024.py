# Source-only training on GTA5 at full resolution with photometric distortion, evaluated on Cityscapes.
_base_ = ['uda_gtaHR_to_cityscapesHR_1024x1024.py']
data = dict(
    train=dict(
        source=dict(
            pipeline=[dict(type='TrainingCrops', img_scale=(2560, 1440), crop_size=(1024, 1024), distortion=True)]
        ),
        target=None,
    )
)
