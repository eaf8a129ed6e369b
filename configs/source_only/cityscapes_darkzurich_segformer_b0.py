# Source-only: SegFormer-B0 on Cityscapes, tested on Dark Zurich.
_base_ = ['../_base_/recipes/source_only_segformer_b0.py', '../_base_/datasets/cityscapes_darkzurich_512x512.py']
