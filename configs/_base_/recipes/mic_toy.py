# MIC on the DAFormer-style run of the toy world. A short run begins on labels alone.
_base_ = ['../default_runtime.py', '../models/tiny_lite0.py', '../uda/mic_small.py', '../schedules/toy_500.py']
uda = dict(source_iters=100)
