# Source-only in the ADVENT family: its DeepLabV2 on ResNet-101, effective learning rates of the released optimiser.
_base_ = ['../default_runtime.py', '../models/deeplabv2_advent_r101.py', '../schedules/minent_120k_official_lr.py']
