# HRDA: SYNTHIA to Cityscapes, HRDA(DAFormer, MiT-B5).
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/hrda_daformer_mitb5.py',
    '../_base_/datasets/uda_synthiaHR_to_cityscapesHR_1024x1024.py',
    '../_base_/uda/daformer.py',
    '../_base_/schedules/uda_40k_mit.py',
]
data = dict(
    train=dict(
        rare_class_sampling=dict(min_pixels=3000, class_temp=0.01, min_crop_ratio=2.0),
        target=dict(crop_pseudo_margins=[30, 240, 30, 30]),
    )
)
