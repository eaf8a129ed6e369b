# CoaST, second stage, as released.
_base_ = [
    '../default_runtime.py',
    '../models/deeplabv2_coast_r101.py',
    '../uda/coast_official.py',
    '../schedules/coast_60k.py',
]
