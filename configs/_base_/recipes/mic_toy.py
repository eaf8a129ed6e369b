# MIC on the DAFormer-style run of the toy world.
_base_ = ['../default_runtime.py', '../models/tiny_lite0.py', '../uda/mic_small.py', '../schedules/toy_500.py']
