# DAFormer with ESL's entropy criterion in place of the probability threshold: GTA5 to Cityscapes, MiT-B5.
_base_ = ['../daformer/gta_to_cityscapes_daformer_mitb5.py']
uda = dict(pseudo_labeler=dict(type='EntropyPseudoLabel', mode='image_ratio', ignore_top=15, ignore_bottom=120))
