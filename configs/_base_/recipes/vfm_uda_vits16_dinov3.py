# VFM-UDA on DINOv3 ViT-S/16.
_base_ = ['../default_runtime.py', '../models/vfm_vits16_dinov3.py', '../uda/vfm_uda.py', '../schedules/vfm_40k.py']
