# MIC on HRDA on the small CPU network on CamVid.
_base_ = [
    '../default_runtime.py',
    '../models/hrda_segformer_efficientnet_lite0.py',
    '../uda/mic_camvid.py',
    '../schedules/camvid_2500.py',
]
