# VFM-UDA on DINOv3 ViT-L/16.
_base_ = ['../default_runtime.py', '../models/vfm_vitl16_dinov3.py', '../uda/vfm_uda.py', '../schedules/vfm_40k.py']
