# DACS with 5 labelled frames: CamVid by day to CamVid at dusk. Small network for a CPU.
_base_ = ['../_base_/recipes/dacs_camvid.py', '../_base_/datasets/ssda_camvid_day_to_dusk_5labels_256x256.py']
uda = dict(labeled_target=dict(supervise=1.0))
