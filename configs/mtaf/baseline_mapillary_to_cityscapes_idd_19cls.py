# Baseline of MTAF, one discriminator for all targets, M2CI: Mapillary Vistas to Cityscapes and IDD, 19 classes.
_base_ = ['mdis_mapillary_to_cityscapes_idd_19cls.py']
uda = dict(game='shared')
