# MinEnt with 10 labelled images: the toy world's rendered game to its European city.
_base_ = ['../_base_/recipes/minent_toy.py', '../_base_/datasets/ssda_toy_gta_to_toy_cityscapes_128x256.py']
uda = dict(labeled_target=dict(supervise=1.0))
