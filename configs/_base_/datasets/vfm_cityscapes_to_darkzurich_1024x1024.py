# Cityscapes (labelled) to Dark Zurich as VFM-UDA loads them: short side 1024, times 0.9 to 1.1.
_base_ = ['uda_cityscapesHR_to_darkzurichHR_1024x1024.py']
rare_classes = dict(class_temp=0.05)
# 3 % of the sides, 25 % at the bottom
ego_car = dict(crop_pseudo_margins=[32, 270, 58, 58])
_scaled = dict(type='TrainingCrops', ratio_range=(0.9, 1.1), crop_size=(1024, 1024))
_test = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=(1820, 1024), flip=False, transforms={{_base_.test_steps}}),
]
data = dict(
    train=dict(
        source=dict(pipeline=[dict(_scaled, img_scale=(2048, 1024))]),
        target=dict(pipeline=[dict(_scaled, img_scale=(1820, 1024))]),
    ),
    val=dict(pipeline=_test),
    test=dict(pipeline=_test),
)
