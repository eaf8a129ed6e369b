# S+T: supervised training on the toy world's rendered game and 10 labelled images of its European city; no unlabelled image.
_base_ = ['toy_gta_to_toy_cityscapes_10labels.py']
uda = dict(_delete_=True, type='SourceOnly')
data = dict(train=dict(target=None))
