# CoaST, first stage, with the released network.
_base_ = [
    '../default_runtime.py',
    '../models/deeplabv2_coast_r101_frozenbn.py',
    '../uda/coast_warmup.py',
    '../schedules/coast_warmup_60k.py',
]
