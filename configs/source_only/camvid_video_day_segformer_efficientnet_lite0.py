# Source-only training on clips: CamVid by day, tested at dusk.
_base_ = ['../_base_/recipes/source_only_video_camvid.py', '../_base_/datasets/video_camvid_day_to_dusk_256x256.py']
data = dict(train=dict(target=None))
