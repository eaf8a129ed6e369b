# DSTC: CamVid by day and 10 labelled dusk frames. Small network for a CPU; both branches start from ImageNet weights.
_base_ = [
    '../_base_/default_runtime.py', '../_base_/models/segformer_efficientnet_lite0.py',
    '../_base_/datasets/ssda_camvid_day_to_dusk_256x256.py', '../_base_/schedules/camvid_2500.py'
]
model = dict(decode_head=dict(num_classes=11))
uda = dict(type='DSTC', init=None)
