# QuadMix as released: SYNTHIA to Cityscapes, HRDA(DAFormer, MiT-B5).
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/hrda_daformer_mitb5.py',
    '../_base_/datasets/quadmix_synthiaHR_to_cityscapesHR_1024x1024.py',
    '../_base_/uda/quadmix_released.py',
    '../_base_/schedules/uda_40k_mit.py',
]
seed = 1
