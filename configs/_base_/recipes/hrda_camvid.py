# HRDA on the small CPU network on CamVid: context 256x256, detail 128x128.
_base_ = [
    '../default_runtime.py',
    '../models/hrda_segformer_efficientnet_lite0.py',
    '../uda/daformer_camvid.py',
    '../schedules/camvid_2500.py',
]
