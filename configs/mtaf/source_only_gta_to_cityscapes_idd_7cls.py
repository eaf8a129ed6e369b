# Source-only, G2CI: GTA5 to Cityscapes and IDD, 7 classes.
_base_ = ['../_base_/recipes/source_only_advent_r101.py', '../_base_/datasets/mtaf_7cls.py']
data = {{_base_.source_only.gta_to_cityscapes_idd}}
