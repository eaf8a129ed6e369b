# Fine-tuning: a source-only model trained on with 100 labelled Cityscapes images. A recipe for tools/run_stages.py; its first stage is that
# of DSTC's recipe, so a finished 1_source may be linked or copied from there.
stages = [
    dict(name='source', type='train', config='gta_to_cityscapes_source_only_deeplabv2_r101.py'),
    dict(
        name='finetune',
        type='train',
        config='gta_to_cityscapes_100labels_target_only_deeplabv2_r101.py',
        load_from='{source}/latest.pth',
    ),
]
