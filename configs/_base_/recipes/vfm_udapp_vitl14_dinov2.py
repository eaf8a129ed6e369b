# VFM-UDA++ on DINOv2 ViT-L/14.
_base_ = [
    '../default_runtime.py',
    '../models/vfmpp_vitl14_dinov2.py',
    '../uda/vfm_udapp.py',
    '../schedules/vfmpp_40k.py',
]
