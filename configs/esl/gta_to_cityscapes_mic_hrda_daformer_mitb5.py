# MIC with ESL's entropy criterion in place of the probability threshold: GTA5 to Cityscapes, HRDA(DAFormer, MiT-B5).
_base_ = ['../mic/gta_to_cityscapes_hrda_daformer_mitb5.py']
uda = dict(pseudo_labeler=dict(type='EntropyPseudoLabel', mode='image_ratio'))
