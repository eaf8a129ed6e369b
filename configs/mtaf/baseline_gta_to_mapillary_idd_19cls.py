# Baseline of MTAF, one discriminator for all targets, G2MI: GTA5 to Mapillary Vistas and IDD, 19 classes.
_base_ = ['mdis_gta_to_mapillary_idd_19cls.py']
uda = dict(game='shared')
