# Source-only on clips in the toy world.
_base_ = [
    '../default_runtime.py',
    '../models/fused_tiny_lite0.py',
    '../schedules/toy_500.py',
]
