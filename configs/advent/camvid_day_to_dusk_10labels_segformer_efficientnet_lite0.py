# AdvEnt with 10 labelled frames: CamVid by day to CamVid at dusk. Small network for a CPU.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_efficientnet_lite0.py',
    '../_base_/datasets/ssda_camvid_day_to_dusk_256x256.py',
    '../_base_/uda/advent.py',
    '../_base_/schedules/adversarial_camvid_2500.py',
]
model = dict(decode_head=dict(num_classes=11))
uda = dict(lambda_adv=dict(_delete_=True, main=0.001), labeled_target=dict(supervise=1.0))
