# DSTC, co-training, with two SegFormer-B0: GTA5 and 100 labelled Cityscapes images. The recipe
# gta_to_cityscapes_100labels_segformer_b0_stages.py makes the warm-ups and runs this config.
_base_ = ['../_base_/recipes/dstc_segformer_b0.py', '../_base_/datasets/ssda_gta_to_cityscapes_512x512.py']
