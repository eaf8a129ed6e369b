# Ablation of MIC: masked blocks of 128x128. GTA5 to Cityscapes.
_base_ = ['./gta_to_cityscapes_hrda_daformer_mitb5.py']
uda = dict(mask_generator=dict(mask_block_size=128))
