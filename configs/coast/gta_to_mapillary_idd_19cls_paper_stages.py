# CoaST, G2MI: GTA5 to Mapillary Vistas and IDD, 19 classes, as in the paper. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/coast.py']
setting = 'gta_to_mapillary_idd_19cls'
stages = {{_base_.recipes.two_targets_paper}}
