# DACS: GTA5 to BDD100K, DeepLabV2 (two dilations) on ResNet-101.
_base_ = ['../_base_/recipes/dacs_deeplabv2_r101.py', '../_base_/datasets/uda_gta_to_bdd100k_512x512.py']
