# QuadMix as released: GTA5 to Cityscapes, HRDA(DAFormer, MiT-B5). The published network is from iteration 49500.
_base_ = [
    '../_base_/recipes/quadmix_hrda_daformer_mitb5.py',
    '../_base_/datasets/quadmix_gtaHR_to_cityscapesHR_1024x1024.py',
]
runner = dict(max_iters=50000)
seed = 1
