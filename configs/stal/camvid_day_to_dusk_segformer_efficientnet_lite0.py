# STAL: CamVid by day to CamVid at dusk, 1 + 2 + 3 frames by entropy (1.6 %, 4.8 %, 9.7 %). Small network for a CPU.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_efficientnet_lite0.py',
    '../_base_/uda/stal_camvid.py',
    '../_base_/active/stal_camvid_day_to_dusk_256x256.py',
    '../_base_/schedules/camvid_2500.py',
]
