# Video QuadMix in the toy world. The teacher is as fast as a short run needs and normalises by the statistics of its batch: with running ones, which lag
# behind in 500 iterations, it took the whole sky for trucks (docs/benchmarks/video.md).
_base_ = [
    '../default_runtime.py',
    '../models/fused_tiny_lite0.py',
    '../uda/quadmix_video.py',
    '../schedules/toy_500.py',
]
uda = dict(labeler=dict(alpha=0.99, mode='train'), augmentation=dict(type='ClipAugmentation'))
