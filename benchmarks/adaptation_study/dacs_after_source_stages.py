# Does self-training lose small classes because it begins before its teacher knows them?
stages = [
    dict(name='source', type='train', config='../../configs/source_only/toy_gta_to_toy_cityscapes.py'),
    dict(
        name='dacs',
        type='train',
        config='../../configs/dacs/toy_gta_to_toy_cityscapes.py',
        load_from='{source}/latest.pth',
    ),
]
