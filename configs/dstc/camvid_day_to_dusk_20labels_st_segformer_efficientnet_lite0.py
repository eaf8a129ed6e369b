# S+T: supervised training on CamVid by day and 20 labelled dusk frames; no unlabelled image.
_base_ = ['camvid_day_to_dusk_20labels_segformer_efficientnet_lite0.py']
uda = dict(_delete_=True, type='SourceOnly')
data = dict(train=dict(target=None))
