# Source-only: LoveDA, Rural to Urban, SegFormer-B5.
_base_ = ['../_base_/recipes/source_only_segformer_b5.py', '../_base_/datasets/uda_loveda_rural_to_urban_512x512.py']
data = dict(train=dict(target=None))
