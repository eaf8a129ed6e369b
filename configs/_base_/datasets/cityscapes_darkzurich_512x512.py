# Source-only training on Cityscapes with photometric distortion, evaluated on Dark Zurich.
_base_ = ['uda_cityscapes_to_darkzurich_512x512.py']
data = dict(
    train=dict(
        source=dict(
            pipeline=[dict(type='TrainingCrops', img_scale=(1024, 512), crop_size=(512, 512), distortion=True)]
        ),
        target=None,
    )
)
