# DSTC: CamVid by day and 10 labelled dusk frames. A recipe for tools/run_stages.py;
# all stages together have the 2500 iterations of the baselines.
_base_ = ['../_base_/stages/dstc_camvid.py']
stages = [
    {{_base_.source}},
    dict(
        name='target',
        type='train',
        config='camvid_day_to_dusk_10labels_target_only_segformer_efficientnet_lite0.py',
        options={{_base_.warm_up}},
    ),
    dict(
        name='dstc',
        type='train',
        config='camvid_day_to_dusk_10labels_segformer_efficientnet_lite0.py',
        options={{_base_.co_training}},
    ),
]
