# QuadMix as released: GTA5 to Cityscapes, HRDA(DeepLabV2, ResNet-101).
_base_ = [
    '../_base_/recipes/quadmix_hrda_deeplabv2_r101.py',
    '../_base_/datasets/quadmix_gtaHR_to_cityscapesHR_1024x1024.py',
]
uda = dict(start_iter=7000)
