# GTA5 (labelled) to Cityscapes at full resolution (HRDA, MIC).
_base_ = ['uda_gta_to_cityscapes_512x512.py']
rare_classes = dict(min_crop_ratio=2.0)
# margins of the target's files with the ego car and the rectified border, for data = dict(train=dict(target={{_base_.ego_car}}))
ego_car = dict(_delete_=True, crop_pseudo_margins=[30, 240, 30, 30])
full_size_test = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=(2048, 1024), flip=False, transforms={{_base_.test_steps}}),
]
data = dict(
    train=dict(
        source=dict(pipeline=[dict(type='TrainingCrops', img_scale=(2560, 1440), crop_size=(1024, 1024))]),
        target=dict(pipeline=[dict(type='TrainingCrops', img_scale=(2048, 1024), crop_size=(1024, 1024))]),
    ),
    val=dict(pipeline=full_size_test),
    test=dict(pipeline=full_size_test),
)
