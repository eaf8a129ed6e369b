# ESL and SSL with softmax thresholds (BDL), for tools/run_stages.py: AdvEnt, pseudo-labels of all target images, and the same training with
# these labels, from ImageNet weights again. A recipe names its setting, which stands in the configs' names. The model that labels is the best
# one on target validation labels, as in the papers; {advent}/latest.pth needs none and is what the small runs take.
_networks = dict(
    deeplabv2_r101=('{setting}_deeplabv2_r101.py', '{setting}_retrain_deeplabv2_r101.py', 'best_mIoU_iter_*.pth'),
    camvid=('{setting}_segformer_efficientnet_lite0.py', '{setting}_retrain.py', 'latest.pth'),
    toy=('{setting}.py', '{setting}_retrain.py', 'latest.pth'),
)
esl, ssl = (
    {
        _name: [
            dict(name='advent', type='train', config=f'../advent/{_advent}'),
            dict(
                name='labels',
                type='pseudo_labels',
                config=f'../advent/{_advent}',
                checkpoint=f'{{advent}}/{_checkpoint}',
                criterion=_criterion,
            ),
            dict(name='retrain', type='train', config=_retrain, options={'data.train.target.folder': '{labels}'}),
        ]
        for _name, (_advent, _retrain, _checkpoint) in _networks.items()
    }
    for _criterion in ('entropy', 'max_prob')
)
