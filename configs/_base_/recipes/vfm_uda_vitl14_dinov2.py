# VFM-UDA on DINOv2 ViT-L/14.
_base_ = ['../default_runtime.py', '../models/vfm_vitl14_dinov2.py', '../uda/vfm_uda.py', '../schedules/vfm_40k.py']
