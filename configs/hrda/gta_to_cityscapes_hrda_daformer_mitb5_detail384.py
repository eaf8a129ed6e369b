# Ablation of HRDA: detail crops of 384x384. GTA5 to Cityscapes.
_base_ = ['./gta_to_cityscapes_hrda_daformer_mitb5.py']
model = dict(hr_crop_size=(384, 384))
