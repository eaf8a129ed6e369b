# The toy world drawn at 512x256 and looked at in half of that size: what HRDA is compared with.
_base_ = ['uda_toy_gta_to_toy_cityscapes_128x256.py']
half_test = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=None, img_ratios=[0.5], flip=False, transforms={{_base_.test_steps}}),
]
data = dict(
    train=dict(
        source=dict(data_root={{_base_.roots.toy_gtaHR}}), target=dict(data_root={{_base_.roots.toy_cityscapesHR}})
    ),
    val=dict(data_root={{_base_.roots.toy_cityscapesHR}}, pipeline=half_test),
    test=dict(data_root={{_base_.roots.toy_cityscapesHR}}, pipeline=half_test),
)
