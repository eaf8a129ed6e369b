# DAFormer with 100 labelled images: GTA5 to Cityscapes, the DAFormer network (MiT-B5).
_base_ = ['../_base_/recipes/daformer_mitb5.py', '../_base_/datasets/ssda_gta_to_cityscapes_512x512.py']
uda = dict(pseudo_weight_ignore_top=15, pseudo_weight_ignore_bottom=120, labeled_target=dict(supervise=1.0))
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
