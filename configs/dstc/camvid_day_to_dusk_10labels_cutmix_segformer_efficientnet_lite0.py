# CutMix between the labelled domains: boxes of CamVid by day on 10 labelled dusk frames; no unlabelled frame.
_base_ = ['camvid_day_to_dusk_10labels_st_segformer_efficientnet_lite0.py']
uda = dict(mixer=dict(type='BoxMixer'))
