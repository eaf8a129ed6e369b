# DACS: Potsdam (IRRG) to Vaihingen, SegFormer-B5.
_base_ = ['../_base_/recipes/dacs_segformer_b5.py', '../_base_/datasets/uda_potsdam_irrg_to_vaihingen_512x512.py']
