# Source-only on videos: DeepLabV2 on ResNet-101 that fuses frames.
_base_ = ['../default_runtime.py', '../models/fused_deeplabv2_advent_r101.py', '../schedules/tps_40k_official_lr.py']
