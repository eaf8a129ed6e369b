# AdvEnt: polyps of one hospital to another, SegFormer-B5.
_base_ = ['../_base_/recipes/advent_segformer_b5.py', '../_base_/datasets/uda_polyps_a_to_b_352x352.py']
