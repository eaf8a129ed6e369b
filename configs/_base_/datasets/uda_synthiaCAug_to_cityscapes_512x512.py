# SYNTHIA with photometric distortion to Cityscapes, for adversarial and entropy baselines.
_base_ = ['uda_synthia_to_cityscapes_512x512.py']
data = dict(
    train=dict(
        source=dict(pipeline=[dict(type='TrainingCrops', img_scale=(1280, 760), crop_size=(512, 512), distortion=True)])
    )
)
