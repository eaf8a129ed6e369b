# As uda_synthia_to_cityscapes_512x512 with photometric distortion of the source (adversarial and entropy baselines).
_base_ = ['uda_synthia_to_cityscapes_512x512.py']
data = dict(
    train=dict(
        source=dict(
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='Resize', img_scale=(1280, 760)),
                dict(type='Compose', transforms={{_base_.distorted_steps.crop512}})
            ])))
