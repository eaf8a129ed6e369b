# CoaST, G2CMI: GTA5 to Cityscapes, Mapillary Vistas and IDD, 7 classes, as in the paper. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/coast.py']
setting = 'gta_to_cityscapes_mapillary_idd_7cls'
stages = {{_base_.recipes.three_targets_paper}}
