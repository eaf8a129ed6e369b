# Supervised training on clips of the densely labelled part of CamVid.
_base_ = ['../_base_/recipes/source_only_video_camvid.py', '../_base_/datasets/video_camvid_dense_256x256.py']
