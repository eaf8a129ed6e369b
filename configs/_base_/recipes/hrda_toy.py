# HRDA in the toy world, detail crops of 64x128, on DAFormer's network there. The teacher is as fast as a short run needs, which begins on
# labels alone. The batch norm of this network sees contexts, details and mixed images; it is tested with statistics of target images.
_base_ = ['../default_runtime.py', '../models/hrda_tiny_lite0.py', '../uda/daformer.py', '../schedules/toy_500.py']
uda = dict(alpha=0.99, source_iters=100, running_statistics='target')
