# CoaST, M2CI: Mapillary Vistas to Cityscapes and IDD, 7 classes, as in the paper. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/coast.py']
setting = 'mapillary_to_cityscapes_idd_7cls'
stages = {{_base_.recipes.two_targets_paper}}
