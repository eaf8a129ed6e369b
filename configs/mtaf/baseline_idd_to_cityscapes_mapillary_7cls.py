# Baseline of MTAF, one discriminator for all targets, I2CM: IDD to Cityscapes and Mapillary Vistas, 7 classes.
_base_ = ['mdis_idd_to_cityscapes_mapillary_7cls.py']
uda = dict(game='shared')
