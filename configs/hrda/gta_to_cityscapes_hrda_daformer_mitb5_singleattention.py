# Ablation of HRDA: one attention map for all classes. GTA5 to Cityscapes.
_base_ = ['./gta_to_cityscapes_hrda_daformer_mitb5.py']
model = dict(decode_head=dict(attention_classwise=False))
