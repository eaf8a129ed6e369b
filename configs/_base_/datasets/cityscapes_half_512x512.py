# Oracle: supervised training on Cityscapes at half resolution with photometric distortion.
_base_ = ['uda_cityscapes_to_acdc_512x512.py']
data = dict(
    train=dict(
        source=dict(
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='Resize', img_scale=(1024, 512)),
                dict(type='Compose', transforms={{_base_.distorted_steps.crop512}})
            ]),
        target=None),
    val={{_base_.cityscapes_val}},
    test={{_base_.cityscapes_val}})
