# DACS: GTA5 to BDD100K, SegFormer-B5.
_base_ = ['../_base_/recipes/dacs_segformer_b5.py', '../_base_/datasets/uda_gta_to_bdd100k_512x512.py']
