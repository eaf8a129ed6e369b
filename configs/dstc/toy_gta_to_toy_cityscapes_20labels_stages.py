# DSTC: the toy world's rendered game and 20 labelled images of its European city. A recipe for tools/run_stages.py;
# all stages together have the 500 iterations of the baselines.
_lr = dict(warmup_iters=20)
stages = [
    dict(
        name='source', type='train', config='../source_only/toy_gta_to_toy_cityscapes.py',
        options=dict(lr_config=_lr, runner=dict(max_iters=125))),
    dict(
        name='target', type='train', config='toy_gta_to_toy_cityscapes_20labels_target_only.py',
        options=dict(lr_config=_lr, runner=dict(max_iters=125))),
    dict(
        name='dstc', type='train', config='toy_gta_to_toy_cityscapes_20labels.py',
        options=dict(
            uda=dict(init=dict(source='{source}/latest.pth', target='{target}/latest.pth')), lr_config=_lr, runner=dict(max_iters=250),
            evaluation=dict(test_with=['source_branch', 'ensemble']))),
]
