# TPS: CamVid by day to CamVid at dusk, as video. Small network for a CPU.
_base_ = ['../_base_/recipes/tps_camvid.py', '../_base_/datasets/video_camvid_day_to_dusk_256x256.py']
