# Baseline of MTAF, one discriminator for all targets: as mdis_deeplabv2_r101.py.
_base_ = ['mdis_deeplabv2_r101.py']
uda = dict(game='shared')
