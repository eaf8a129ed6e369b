# CutMix between the labelled domains: boxes of GTA5 on 100 labelled Cityscapes images; no unlabelled image.
_base_ = ['gta_to_cityscapes_100labels_st_deeplabv2_r101.py']
uda = dict(mixer=dict(type='BoxMixer'))
