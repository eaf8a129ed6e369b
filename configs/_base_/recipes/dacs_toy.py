# DACS in the toy world. A teacher that has just begun to learn labels no small class: a short run begins on labels alone.
_base_ = ['../default_runtime.py', '../models/tiny_lite0.py', '../uda/dacs.py', '../schedules/toy_500.py']
uda = dict(source_iters=100)
