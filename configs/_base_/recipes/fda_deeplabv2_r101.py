# FDA: DeepLabV2 (two dilations) on ResNet-101.
_base_ = [
    '../default_runtime.py',
    '../models/deeplabv2red_r101-d8.py',
    '../uda/fda.py',
    '../schedules/uda_40k_cnn.py',
]
