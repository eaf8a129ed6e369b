# S+T: supervised training on SYNTHIA and 100 labelled Cityscapes images; no unlabelled image.
_base_ = ['synthia_to_cityscapes_100labels_deeplabv2_r101.py']
uda = dict(_delete_=True, type='SourceOnly')
data = dict(train=dict(target=None))
