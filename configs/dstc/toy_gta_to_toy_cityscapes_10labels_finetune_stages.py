# Fine-tuning: a model of the toy world's rendered game trained on with 10 labelled images of its European city. A recipe for
# tools/run_stages.py; its stages share the 500 iterations of the baselines.
half = dict(lr_config=dict(warmup_iters=20), runner=dict(max_iters=250))
stages = [
    dict(name='source', type='train', config='../source_only/toy_gta_to_toy_cityscapes.py', options=half),
    dict(
        name='finetune',
        type='train',
        config='toy_gta_to_toy_cityscapes_10labels_target_only.py',
        options=half,
        load_from='{source}/latest.pth',
    ),
]
