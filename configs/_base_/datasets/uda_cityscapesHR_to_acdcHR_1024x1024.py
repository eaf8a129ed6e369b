# Cityscapes (clear weather, labelled) to ACDC (fog, night, rain, snow), both at full resolution (HRDA, MIC).
_base_ = ['uda_cityscapes_to_acdc_512x512.py']
rare_classes = dict(min_crop_ratio=2.0)
_full_size_test = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=(1920, 1080), flip=False, transforms={{_base_.test_steps}}),
]
data = dict(
    train=dict(
        source=dict(pipeline=[dict(type='TrainingCrops', img_scale=(2048, 1024), crop_size=(1024, 1024))]),
        target=dict(pipeline=[dict(type='TrainingCrops', img_scale=(1920, 1080), crop_size=(1024, 1024))]),
    ),
    val=dict(pipeline=_full_size_test),
    test=dict(pipeline=_full_size_test),
)
