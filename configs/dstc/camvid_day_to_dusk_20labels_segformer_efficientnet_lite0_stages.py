# DSTC: CamVid by day and 20 labelled dusk frames. A recipe for tools/run_stages.py;
# all stages together have the 2500 iterations of the baselines.
_lr = dict(warmup_iters=20)
stages = [
    dict(
        name='source', type='train', config='../source_only/camvid_day_segformer_efficientnet_lite0.py',
        options=dict(lr_config=_lr, runner=dict(max_iters=625))),
    dict(
        name='target', type='train', config='camvid_day_to_dusk_20labels_target_only_segformer_efficientnet_lite0.py',
        options=dict(lr_config=_lr, runner=dict(max_iters=625))),
    dict(
        name='dstc', type='train', config='camvid_day_to_dusk_20labels_segformer_efficientnet_lite0.py',
        options=dict(
            uda=dict(init=dict(source='{source}/latest.pth', target='{target}/latest.pth')), lr_config=_lr, runner=dict(max_iters=1250),
            evaluation=dict(test_with=['source_branch', 'ensemble']))),
]
