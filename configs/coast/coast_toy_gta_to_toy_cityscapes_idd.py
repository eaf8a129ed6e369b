# CoaST, second stage: the toy world's rendered game to its European city and Indian roads.
# toy_gta_to_toy_cityscapes_idd_stages.py runs both stages and sets the folders of the pseudo-labels.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/mtda_toy_gta_to_toy_cityscapes_idd_128x256.py',
    '../_base_/datasets/coast_toy_pseudo_targets.py',
    '../_base_/uda/coast.py',
    '../_base_/schedules/toy_500.py',
]
_layers = ['timm_model.blocks.1.0', 'timm_model.blocks.1.1', 'timm_model.blocks.2.0', 'timm_model.blocks.2.1']
uda = dict(styliser=dict(layers=_layers))
data = dict(train=dict(target=[{{_base_.pseudo_targets.city}}, {{_base_.pseudo_targets.idd}}]))
runner = dict(max_iters=250)
