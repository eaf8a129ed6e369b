# GTA5 to Cityscapes at full resolution as HRDA loads it, with patches of long-tail classes: wall, fence, pole, traffic light, rider, bus,
# train, motorcycle, bicycle. The two images of an iteration get the same classes.
_base_ = ['uda_gtaHR_to_cityscapesHR_1024x1024.py']
data = dict(
    train=dict(
        rare_class_sampling={{_base_.rare_classes}},
        class_patches=dict(scale=(2048, 1024), pool=[3, 4, 5, 6, 12, 15, 16, 17, 18], min_pixels=50, images_per_draw=2),
        target={{_base_.ego_car}},
    )
)
