# S+T: supervised training on CamVid by day and 10 labelled dusk frames; no unlabelled image.
_base_ = ['../_base_/recipes/st_camvid.py', '../_base_/datasets/ssda_camvid_day_to_dusk_256x256.py']
data = dict(train=dict(target=None))
