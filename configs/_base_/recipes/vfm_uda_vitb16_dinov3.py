# VFM-UDA on DINOv3 ViT-B/16.
_base_ = ['../default_runtime.py', '../models/vfm_vitb16_dinov3.py', '../uda/vfm_uda.py', '../schedules/vfm_40k.py']
