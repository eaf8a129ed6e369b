# Fine-tuning: a model of CamVid by day trained on with 10 labelled dusk frames. A recipe for tools/run_stages.py; its stages share the
# 2500 iterations of the baselines.
half = dict(lr_config=dict(warmup_iters=20), runner=dict(max_iters=1250))
target_only = 'camvid_day_to_dusk_10labels_target_only_segformer_efficientnet_lite0.py'
stages = [
    dict(name='source', type='train', config='../source_only/camvid_day_segformer_efficientnet_lite0.py', options=half),
    dict(name='finetune', type='train', config=target_only, options=half, load_from='{source}/latest.pth'),
]
