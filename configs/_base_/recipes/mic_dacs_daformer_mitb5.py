# MIC on DACS with a slower teacher: the DAFormer network (MiT-B5).
_base_ = [
    '../default_runtime.py',
    '../models/daformer_sepaspp_mitb5.py',
    '../uda/mic_target.py',
    '../schedules/uda_40k_mit.py',
]
uda = dict(alpha=0.999)
