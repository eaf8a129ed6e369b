# CoaST, second stage: the toy world's rendered game to its European city, phone photographs and Indian roads.
# toy_gta_to_toy_cityscapes_mapillary_idd_stages.py runs both stages and sets the folders of the pseudo-labels.
_base_ = [
    '../_base_/recipes/coast_toy.py',
    '../_base_/datasets/mtda_toy_gta_to_toy_cityscapes_mapillary_idd_128x256.py',
]
data = dict(
    train=dict(
        target=[{{_base_.pseudo_targets.city}}, {{_base_.pseudo_targets.mapillary}}, {{_base_.pseudo_targets.idd}}]
    )
)
