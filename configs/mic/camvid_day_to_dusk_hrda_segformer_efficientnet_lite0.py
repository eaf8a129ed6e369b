# MIC on HRDA: CamVid by day to dusk. Blocks are scaled to 256x256 crops.
_base_ = ['../_base_/recipes/mic_hrda_camvid.py', '../_base_/datasets/uda_camvid_day_to_dusk_256x256.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
