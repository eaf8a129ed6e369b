# RIPU: DeepLabV3+ on ResNet-101.
_base_ = ['../default_runtime.py', '../models/ripu_deeplabv3plus_r101.py', '../uda/ripu.py', '../schedules/ripu_40k.py']
