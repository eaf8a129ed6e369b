# MIC on DACS: Potsdam (IRRG) to Vaihingen, DAFormer network (MiT-B5).
_base_ = ['../_base_/recipes/mic_dacs_daformer_mitb5.py', '../_base_/datasets/uda_potsdam_irrg_to_vaihingen_512x512.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
