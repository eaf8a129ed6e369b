# HRDA on DACS (no rare-class sampling, feature distance or margins): GTA5 to Cityscapes, DeepLabV2 on ResNet-101.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/hrda_deeplabv2red_r101-d8.py',
    '../_base_/datasets/uda_gtaHR_to_cityscapesHR_1024x1024.py',
    '../_base_/uda/dacs.py',
    '../_base_/schedules/uda_40k_cnn.py',
]
