# Baseline of MTAF, one discriminator for all targets, G2CI: GTA5 to Cityscapes and IDD, 7 classes.
_base_ = ['mdis_gta_to_cityscapes_idd_7cls.py']
uda = dict(game='shared')
