# Source-only: CamVid by day, tested at dusk. Small network for a CPU.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_efficientnet_lite0.py',
    '../_base_/datasets/camvid_day_256x256.py',
    '../_base_/schedules/camvid_2500.py',
]
model = dict(decode_head=dict(num_classes=11))
