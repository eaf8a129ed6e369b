# VFM-UDA++ on DINOv2 ViT-B/14.
_base_ = [
    '../default_runtime.py',
    '../models/vfmpp_vitb14_dinov2.py',
    '../uda/vfm_udapp.py',
    '../schedules/vfmpp_40k.py',
]
