# QuadMix as released: SYNTHIA to Cityscapes, HRDA(DAFormer, MiT-B5).
_base_ = [
    '../_base_/recipes/quadmix_hrda_daformer_mitb5.py',
    '../_base_/datasets/quadmix_synthiaHR_to_cityscapesHR_1024x1024.py',
]
seed = 1
