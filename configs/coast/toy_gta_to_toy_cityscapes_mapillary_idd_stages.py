# CoaST: the toy world's rendered game to its European city, phone photographs and Indian roads. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/coast_toy.py']
setting = 'toy_gta_to_toy_cityscapes_mapillary_idd'
stages = {{_base_.recipes.three_targets}}
