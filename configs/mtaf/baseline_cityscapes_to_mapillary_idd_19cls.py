# Baseline of MTAF, one discriminator for all targets, C2MI: Cityscapes to Mapillary Vistas and IDD, 19 classes.
_base_ = ['mdis_cityscapes_to_mapillary_idd_19cls.py']
uda = dict(game='shared')
