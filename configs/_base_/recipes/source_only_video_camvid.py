# Source-only on clips: the small CPU network on CamVid.
_base_ = [
    '../default_runtime.py',
    '../models/fused_segformer_efficientnet_lite0.py',
    '../schedules/camvid_2500.py',
]
