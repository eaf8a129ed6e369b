# HRDA(DeepLabV2, ResNet-101).
_base_ = [
    '../default_runtime.py',
    '../models/hrda_deeplabv2red_r101-d8.py',
    '../uda/daformer.py',
    '../schedules/uda_40k_cnn.py',
]
