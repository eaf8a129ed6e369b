# Video QuadMix as released: DeepLabV2 on ResNet-101 that fuses frames.
_base_ = [
    '../default_runtime.py',
    '../models/fused_deeplabv2_udass_r101.py',
    '../uda/quadmix_video_released.py',
    '../schedules/tps_40k_official_lr.py',
]
