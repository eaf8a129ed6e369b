# DAFormer's training of the small CPU network on CamVid.
_base_ = [
    '../default_runtime.py',
    '../models/segformer_efficientnet_lite0.py',
    '../uda/daformer_camvid.py',
    '../schedules/camvid_2500.py',
]
