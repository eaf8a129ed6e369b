# CoaST: the toy world's rendered game to its European city and Indian roads. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/coast_toy.py']
setting = 'toy_gta_to_toy_cityscapes_idd'
stages = {{_base_.recipes.two_targets}}
