# ESL: CamVid by day to CamVid at dusk. A recipe for tools/run_stages.py.
stages = [
    dict(name='advent', type='train', config='../advent/camvid_day_to_dusk_segformer_efficientnet_lite0.py'),
    dict(
        name='labels',
        type='pseudo_labels',
        config='../advent/camvid_day_to_dusk_segformer_efficientnet_lite0.py',
        checkpoint='{advent}/latest.pth',
        criterion='entropy',
    ),
    dict(
        name='retrain',
        type='train',
        config='camvid_day_to_dusk_retrain.py',
        options={'data.train.target.folder': '{labels}'},
    ),
]
