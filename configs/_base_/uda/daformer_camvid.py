# DAFormer on CamVid: thing classes are sign, car, pedestrian, bicyclist; the teacher is as fast as a run of 2500 iterations needs.
_base_ = ['daformer.py']
uda = dict(alpha=0.99, imnet_feature_dist_classes=[6, 8, 9, 10])
