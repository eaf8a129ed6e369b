# Baseline of MTAF, one discriminator for all targets: the toy world's rendered game to its European city, phone photographs and Indian roads.
_base_ = ['mdis_toy_gta_to_toy_cityscapes_mapillary_idd.py']
uda = dict(game='shared')
