# Ablation of HRDA: detail windows without overlap. GTA5 to Cityscapes.
_base_ = ['./gta_to_cityscapes_hrda_daformer_mitb5.py']
model = dict(hr_slide_overlapping=False)
