# MIC without HRDA: GTA5 to BDD100K, the DAFormer network (MiT-B5).
_base_ = ['../_base_/recipes/mic_daformer_mitb5.py', '../_base_/datasets/uda_gta_to_bdd100k_512x512.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
