# HRDA in the toy world, detail crops of 64x128. The teacher is as fast as a short run needs, which begins on labels alone.
_base_ = [
    '../default_runtime.py',
    '../models/hrda_segformer_efficientnet_lite0.py',
    '../uda/daformer.py',
    '../schedules/toy_500.py',
]
model = dict(hr_crop_size=(64, 128))
uda = dict(alpha=0.99, source_iters=100)
