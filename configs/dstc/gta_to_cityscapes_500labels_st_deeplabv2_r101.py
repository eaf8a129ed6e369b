# S+T: supervised training on GTA5 and 500 labelled Cityscapes images; no unlabelled image.
_base_ = ['gta_to_cityscapes_500labels_deeplabv2_r101.py']
uda = dict(_delete_=True, type='SourceOnly')
data = dict(train=dict(target=None))
