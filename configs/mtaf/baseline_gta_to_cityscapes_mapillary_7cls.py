# Baseline of MTAF, one discriminator for all targets, G2CM: GTA5 to Cityscapes and Mapillary Vistas, 7 classes.
_base_ = ['mdis_gta_to_cityscapes_mapillary_7cls.py']
uda = dict(game='shared')
