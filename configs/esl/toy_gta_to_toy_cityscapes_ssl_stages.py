# SSL with softmax thresholds (BDL): The toy world's rendered game to its European city. A recipe for tools/run_stages.py.
stages = [
    dict(name='advent', type='train', config='../advent/toy_gta_to_toy_cityscapes.py'),
    dict(
        name='labels',
        type='pseudo_labels',
        config='../advent/toy_gta_to_toy_cityscapes.py',
        checkpoint='{advent}/latest.pth',
        criterion='max_prob',
    ),
    dict(
        name='retrain',
        type='train',
        config='toy_gta_to_toy_cityscapes_retrain.py',
        options={'data.train.target.folder': '{labels}'},
    ),
]
