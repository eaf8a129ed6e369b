# Source-only training on CamVid by day, evaluated at dusk.
_base_ = ['uda_camvid_day_to_dusk_256x256.py']
data = dict(train=dict(target=None))
