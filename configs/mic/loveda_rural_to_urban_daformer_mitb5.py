# MIC on DACS: LoveDA, Rural to Urban, DAFormer network (MiT-B5).
_base_ = ['../_base_/recipes/mic_dacs_daformer_mitb5.py', '../_base_/datasets/uda_loveda_rural_to_urban_512x512.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
