# Source-only: RIPU's DeepLabV2 (four dilations) on ResNet-101.
_base_ = ['../default_runtime.py', '../models/ripu_deeplabv2_r101.py', '../schedules/ripu_source_20k.py']
