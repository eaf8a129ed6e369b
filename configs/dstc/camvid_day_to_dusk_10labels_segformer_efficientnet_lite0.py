# DSTC, co-training: CamVid by day and 10 labelled dusk frames. The recipe
# camvid_day_to_dusk_10labels_segformer_efficientnet_lite0_stages.py makes the warm-ups and runs this config.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/segformer_efficientnet_lite0.py',
    '../_base_/datasets/ssda_camvid_day_to_dusk_256x256.py',
    '../_base_/uda/dstc.py',
    '../_base_/schedules/camvid_2500.py',
]
model = dict(decode_head=dict(num_classes=11))
