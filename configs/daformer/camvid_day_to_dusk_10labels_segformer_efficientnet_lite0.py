# DAFormer's training of the small CPU network with 10 labelled frames: CamVid by day to dusk.
_base_ = ['../_base_/recipes/daformer_camvid.py', '../_base_/datasets/ssda_camvid_day_to_dusk_256x256.py']
uda = dict(labeled_target=dict(supervise=1.0))
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
