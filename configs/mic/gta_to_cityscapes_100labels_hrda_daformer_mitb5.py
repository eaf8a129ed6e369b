# MIC with 100 labelled images: GTA5 to Cityscapes, HRDA(DAFormer, MiT-B5).
_base_ = ['../_base_/recipes/mic_hrda_daformer_mitb5.py', '../_base_/datasets/ssda_gtaHR_to_cityscapesHR_1024x1024.py']
uda = dict(labeled_target=dict(supervise=1.0))
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}, target={{_base_.ego_car}}))
