# Source-only training on GTA5 at full resolution with photometric distortion, evaluated on Cityscapes.
_base_ = ['uda_gtaHR_to_cityscapesHR_1024x1024.py']
data = dict(
    train=dict(
        source=dict(pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='Resize', img_scale=(2560, 1440)),
            dict(type='Compose', transforms={{_base_.distorted_steps.crop1024}})
        ]),
        target=None))
