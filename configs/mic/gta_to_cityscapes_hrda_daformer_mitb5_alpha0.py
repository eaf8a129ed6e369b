# Ablation of MIC: the masked labels come from the student itself (alpha = 0). GTA5 to Cityscapes.
_base_ = ['./gta_to_cityscapes_hrda_daformer_mitb5.py']
uda = dict(mask_alpha=0)
