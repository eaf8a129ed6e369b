# Semi-supervised training inside the target: DACS's parts with 10 labelled frames of CamVid at dusk in place of the source.
_base_ = ['camvid_day_to_dusk_10labels_segformer_efficientnet_lite0.py']
data = dict(train=dict(source=None))
