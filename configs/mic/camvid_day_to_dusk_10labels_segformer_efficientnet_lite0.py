# MIC on the DAFormer-style run: CamVid by day to dusk, 10 labelled frames; they are masked as well and keep their labels.
_base_ = ['../_base_/recipes/mic_camvid.py', '../_base_/datasets/ssda_camvid_day_to_dusk_256x256.py']
uda = dict(labeled_target=dict(supervise=1.0, mask=0.1))
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
