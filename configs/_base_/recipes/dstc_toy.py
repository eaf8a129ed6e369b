# DSTC, co-training in the toy world.
_base_ = ['../default_runtime.py', '../models/tiny_lite0.py', '../uda/dstc.py', '../schedules/toy_500.py']
