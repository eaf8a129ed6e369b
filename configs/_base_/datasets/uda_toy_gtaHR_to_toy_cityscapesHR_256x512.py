# The toy world drawn at 512x256, in full size (HRDA).
_base_ = ['uda_toy_gta_to_toy_cityscapes_128x256.py']
rare_classes = dict(min_pixels=400)
crops = dict(type='TrainingCrops', img_scale=(512, 256), crop_size=(256, 512))
data = dict(
    cache=dict(memory_mb=512),
    train=dict(
        source=dict(data_root={{_base_.roots.toy_gtaHR}}, pipeline=[crops]),
        target=dict(data_root={{_base_.roots.toy_cityscapesHR}}, pipeline=[crops]),
    ),
    val=dict(data_root={{_base_.roots.toy_cityscapesHR}}),
    test=dict(data_root={{_base_.roots.toy_cityscapesHR}}),
)
