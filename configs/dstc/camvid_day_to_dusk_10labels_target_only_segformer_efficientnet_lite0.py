# Target-only: supervised training on 10 labelled dusk frames of CamVid alone.
_base_ = ['camvid_day_to_dusk_10labels_st_segformer_efficientnet_lite0.py']
data = dict(train=dict(source=None))
