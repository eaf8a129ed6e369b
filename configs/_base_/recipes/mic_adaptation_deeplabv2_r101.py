# MIC beside a method without a teacher, which a config names: DeepLabV2 (two dilations) on ResNet-101.
_base_ = [
    '../default_runtime.py',
    '../models/deeplabv2red_r101-d8.py',
    '../uda/mic_adaptation.py',
    '../schedules/uda_40k_sgd.py',
]
