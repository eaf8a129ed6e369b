# Video QuadMix in the toy world, with a teacher as fast as a short run needs.
_base_ = [
    '../default_runtime.py',
    '../models/fused_tiny_lite0.py',
    '../uda/quadmix_video.py',
    '../schedules/toy_500.py',
]
uda = dict(labeler=dict(alpha=0.99))
