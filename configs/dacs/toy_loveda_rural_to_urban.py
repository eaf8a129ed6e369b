# DACS: the toy world's LoveDA, Rural to Urban.
_base_ = ['../_base_/recipes/dacs_toy.py', '../_base_/datasets/uda_toy_loveda_rural_to_urban_128x128.py']
