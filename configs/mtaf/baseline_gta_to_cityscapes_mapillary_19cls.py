# Baseline of MTAF, one discriminator for all targets, G2CM: GTA5 to Cityscapes and Mapillary Vistas, 19 classes.
_base_ = ['mdis_gta_to_cityscapes_mapillary_19cls.py']
uda = dict(game='shared')
