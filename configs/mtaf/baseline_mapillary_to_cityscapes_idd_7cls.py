# Baseline of MTAF, one discriminator for all targets, M2CI: Mapillary Vistas to Cityscapes and IDD, 7 classes.
_base_ = ['mdis_mapillary_to_cityscapes_idd_7cls.py']
uda = dict(game='shared')
