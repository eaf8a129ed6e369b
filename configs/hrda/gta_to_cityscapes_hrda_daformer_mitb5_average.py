# Ablation of HRDA: the mean of both resolutions instead of learned attention. GTA5 to Cityscapes.
_base_ = ['./gta_to_cityscapes_hrda_daformer_mitb5.py']
model = dict(decode_head=dict(fixed_attention=0.5))
