# Source-only: SegFormer-B5 on GTA5, tested on BDD100K.
_base_ = ['../_base_/recipes/source_only_segformer_b5.py', '../_base_/datasets/uda_gta_to_bdd100k_512x512.py']
data = dict(train=dict(target=None))
