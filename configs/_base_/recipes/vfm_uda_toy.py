# VFM-UDA on a small vision transformer, the toy world.
_base_ = ['../default_runtime.py', '../models/vfm_vit_tiny.py', '../uda/vfm_small.py', '../schedules/vit_small_500.py']
