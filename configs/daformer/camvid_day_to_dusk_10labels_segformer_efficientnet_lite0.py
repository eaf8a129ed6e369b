# DAFormer's training of the small CPU network with 10 labelled frames: CamVid by day to dusk.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_efficientnet_lite0.py',
    '../_base_/datasets/ssda_camvid_day_to_dusk_256x256.py',
    '../_base_/uda/daformer_camvid.py',
    '../_base_/schedules/camvid_2500.py',
]
model = dict(decode_head=dict(num_classes=11))
uda = dict(labeled_target=dict(supervise=1.0))
data = dict(train=dict(rare_class_sampling=dict(min_pixels=300, class_temp=0.1, min_crop_ratio=0.5)))
