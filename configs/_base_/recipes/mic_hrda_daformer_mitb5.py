# MIC: HRDA(DAFormer, MiT-B5).
_base_ = [
    '../default_runtime.py',
    '../models/hrda_daformer_mitb5.py',
    '../uda/mic_hrda.py',
    '../schedules/uda_40k_mit.py',
]
