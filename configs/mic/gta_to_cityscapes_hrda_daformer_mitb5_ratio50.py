# Ablation of MIC: 50 % of the blocks masked. GTA5 to Cityscapes.
_base_ = ['./gta_to_cityscapes_hrda_daformer_mitb5.py']
uda = dict(mask_generator=dict(mask_ratio=0.5))
