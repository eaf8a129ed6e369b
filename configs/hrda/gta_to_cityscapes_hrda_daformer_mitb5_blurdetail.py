# Ablation of HRDA: detail crops without more information than the context. GTA5 to Cityscapes.
_base_ = ['./gta_to_cityscapes_hrda_daformer_mitb5.py']
model = dict(blur_hr_crop=True)
