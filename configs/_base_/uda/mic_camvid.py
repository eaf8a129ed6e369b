# MIC on CamVid: as mic_small.py with CamVid's thing classes.
_base_ = ['mic_small.py']
uda = dict(imnet_feature_dist_classes=[6, 8, 9, 10])
