# QuadMix as released: GTA5 to Cityscapes, HRDA(DAFormer, MiT-B5). The published network is from iteration 49500.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/hrda_daformer_mitb5.py',
    '../_base_/datasets/quadmix_gtaHR_to_cityscapesHR_1024x1024.py',
    '../_base_/uda/quadmix_released.py',
    '../_base_/schedules/uda_40k_mit.py',
]
runner = dict(max_iters=50000)
seed = 1
