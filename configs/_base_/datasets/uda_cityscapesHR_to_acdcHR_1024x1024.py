# Cityscapes (clear weather, labelled) to ACDC (fog, night, rain, snow), both at full resolution (HRDA, MIC).
_base_ = ['uda_cityscapes_to_acdc_512x512.py']
_acdc_val_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=(1920, 1080), flip=False, transforms={{_base_.test_steps}})
]
data = dict(
    train=dict(
        source=dict(pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='Resize', img_scale=(2048, 1024)),
            dict(type='Compose', transforms={{_base_.labeled_steps.crop1024}})
        ]),
        target=dict(pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', img_scale=(1920, 1080)),
            dict(type='Compose', transforms={{_base_.unlabeled_steps.crop1024}})
        ])),
    val=dict(pipeline=_acdc_val_pipeline),
    test=dict(pipeline=_acdc_val_pipeline))
