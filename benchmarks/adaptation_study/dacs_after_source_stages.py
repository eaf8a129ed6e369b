# Does self-training lose small classes because it begins before the teacher knows them? DACS from the weights of a source-only training.
stages = [
    dict(name='source', type='train', config='../../configs/source_only/toy_gta_to_toy_cityscapes.py'),
    dict(
        name='dacs',
        type='train',
        config='../../configs/dacs/toy_gta_to_toy_cityscapes.py',
        load_from='{source}/latest.pth',
    ),
]
