# Oracle: CamVid at dusk, trained on labels that adaptation does not see.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_efficientnet_lite0.py',
    '../_base_/datasets/camvid_dusk_256x256.py',
    '../_base_/schedules/camvid_2500.py',
]
model = dict(decode_head=dict(num_classes=11))
