# MinEnt: CamVid by day to CamVid at dusk. Small network for a CPU.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_efficientnet_lite0.py',
    '../_base_/datasets/uda_camvid_day_to_dusk_256x256.py',
    '../_base_/uda/minent.py',
    '../_base_/schedules/camvid_2500.py',
]
uda = dict(lambda_ent=dict(_delete_=True, decode=0.001))
