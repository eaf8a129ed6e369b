# CoaST, I2CM: IDD to Cityscapes and Mapillary Vistas, 19 classes, as in the paper. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/coast.py']
setting = 'idd_to_cityscapes_mapillary_19cls'
stages = {{_base_.recipes.two_targets_paper}}
