# RIPU-RA: CamVid by day to CamVid at dusk, 2.2 % of the pixels of every frame. Small network for a CPU.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_efficientnet_lite0.py',
    '../_base_/uda/ripu_small.py',
    '../_base_/active/ripu_camvid_day_to_dusk_256x256.py',
    '../_base_/schedules/camvid_2500.py',
]
