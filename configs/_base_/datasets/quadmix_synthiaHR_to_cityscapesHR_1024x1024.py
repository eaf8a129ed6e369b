# SYNTHIA to Cityscapes at full resolution as HRDA loads it, with patches of long-tail classes; a class listed n times weighs n times:
# wall 2, fence 4, pole 2, traffic light, traffic sign, rider, car, bicycle.
_base_ = ['uda_synthiaHR_to_cityscapesHR_1024x1024.py']
data = dict(
    train=dict(
        rare_class_sampling={{_base_.rare_classes}},
        class_patches=dict(
            scale=(2048, 1024), pool=[3, 3, 4, 4, 4, 4, 5, 5, 6, 7, 12, 13, 18], min_pixels=10, images_per_draw=2
        ),
        target={{_base_.ego_car}},
    )
)
