# Baseline of MTAF, one discriminator for all targets, G2CMI: GTA5 to Cityscapes, Mapillary Vistas and IDD, 7 classes.
_base_ = ['mdis_gta_to_cityscapes_mapillary_idd_7cls.py']
uda = dict(game='shared')
