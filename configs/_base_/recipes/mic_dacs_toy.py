# MIC on DACS in the toy world, whose network has batch norm in every layer: masked images must not shape the statistics of its
# tests. A short run begins on labels alone.
_base_ = ['../default_runtime.py', '../models/tiny_lite0.py', '../uda/mic_target.py', '../schedules/toy_500.py']
uda = dict(mask_generator=dict(mask_block_size=16), mask_running_statistics=False, source_iters=100)
