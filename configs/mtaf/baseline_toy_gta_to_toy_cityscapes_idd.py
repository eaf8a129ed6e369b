# Baseline of MTAF, one discriminator for all targets: the toy world's rendered game to its European city and Indian roads.
_base_ = ['mdis_toy_gta_to_toy_cityscapes_idd.py']
uda = dict(game='shared')
