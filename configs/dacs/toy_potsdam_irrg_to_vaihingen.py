# DACS: the toy world's Potsdam (IRRG) to Vaihingen.
_base_ = ['../_base_/recipes/dacs_toy.py', '../_base_/datasets/uda_toy_potsdam_irrg_to_vaihingen_128x128.py']
