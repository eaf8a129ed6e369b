# S+T with SegFormer-B0: supervised training on GTA5 and 100 labelled Cityscapes images; no unlabelled image.
_base_ = ['gta_to_cityscapes_100labels_segformer_b0.py']
uda = dict(_delete_=True, type='SourceOnly')
data = dict(train=dict(target=None))
