# Baseline of MTAF, one discriminator for all targets, I2CM: IDD to Cityscapes and Mapillary Vistas, 19 classes.
_base_ = ['mdis_idd_to_cityscapes_mapillary_19cls.py']
uda = dict(game='shared')
