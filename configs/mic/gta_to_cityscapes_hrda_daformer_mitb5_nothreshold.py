# Ablation of MIC: masked labels count fully, whatever the confidence. GTA5 to Cityscapes.
_base_ = ['./gta_to_cityscapes_hrda_daformer_mitb5.py']
uda = dict(mask_pseudo_threshold=None)
