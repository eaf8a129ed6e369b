# TPS in the toy world.
_base_ = [
    '../default_runtime.py',
    '../models/fused_tiny_lite0.py',
    '../uda/tps.py',
    '../schedules/toy_500.py',
]
