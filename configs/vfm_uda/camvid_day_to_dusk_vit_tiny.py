# VFM-UDA on a small vision transformer: CamVid by day to dusk.
_base_ = ['../_base_/recipes/vfm_uda_camvid.py', '../_base_/datasets/uda_camvid_day_to_dusk_256x256.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
