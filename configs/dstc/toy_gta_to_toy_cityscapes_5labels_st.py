# S+T: supervised training on the toy world's rendered game and 5 labelled images of its European city; no unlabelled image.
_base_ = ['toy_gta_to_toy_cityscapes_5labels.py']
uda = dict(_delete_=True, type='SourceOnly')
data = dict(train=dict(target=None))
