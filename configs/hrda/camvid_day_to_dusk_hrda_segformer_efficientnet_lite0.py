# HRDA on the small CPU network: CamVid by day to dusk, context 256x256, detail 128x128.
_base_ = ['../_base_/recipes/hrda_camvid.py', '../_base_/datasets/uda_camvid_day_to_dusk_256x256.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
