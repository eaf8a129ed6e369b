# DSTC, co-training: DeepLabV2 on ResNet-101.
_base_ = ['../default_runtime.py', '../models/deeplabv2_dstc_r101.py', '../uda/dstc.py', '../schedules/dstc_120k.py']
