# DACS: CamVid by day to CamVid at dusk. Small network for a CPU.
_base_ = ['../_base_/recipes/dacs_camvid.py', '../_base_/datasets/uda_camvid_day_to_dusk_256x256.py']
