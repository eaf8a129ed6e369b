# MIC on DACS: polyps of one hospital to another, DAFormer network (MiT-B5).
_base_ = ['../_base_/recipes/mic_dacs_daformer_mitb5.py', '../_base_/datasets/uda_polyps_a_to_b_352x352.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
