# Target-only: supervised training on 5 labelled dusk frames of CamVid alone.
_base_ = ['../_base_/recipes/st_camvid.py', '../_base_/datasets/ssda_camvid_day_to_dusk_5labels_256x256.py']
data = dict(train=dict(source=None, target=None))
