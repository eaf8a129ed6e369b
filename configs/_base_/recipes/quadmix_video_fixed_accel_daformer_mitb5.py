# Video QuadMix with the defaults of the class: DAFormer network (MiT-B5) that fuses frames.
_base_ = [
    '../default_runtime.py',
    '../models/fused_daformer_sepaspp_mitb5.py',
    '../uda/quadmix_video.py',
    '../schedules/quadmix_video_40k_mit.py',
]
