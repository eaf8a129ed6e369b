# TPS: the small CPU network on CamVid.
_base_ = [
    '../default_runtime.py',
    '../models/fused_segformer_efficientnet_lite0.py',
    '../uda/tps.py',
    '../schedules/camvid_2500.py',
]
