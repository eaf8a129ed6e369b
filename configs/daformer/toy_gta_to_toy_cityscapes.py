# DAFormer's training on the toy world: rendered game to European city. The teacher is as fast as a short run needs.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/uda_toy_gta_to_toy_cityscapes_128x256.py',
    '../_base_/uda/daformer.py',
    '../_base_/schedules/toy_500.py',
]
uda = dict(alpha=0.99)
data = dict(train=dict(rare_class_sampling=dict(min_pixels=100, class_temp=0.1, min_crop_ratio=0.5)))
