# CoaST's recipe by number of targets, for tools/run_stages.py: labels come from the warm-up and are renewed during the self-training,
# every _interval of its _length iterations. A recipe names its setting, which stands for the end of the configs' names; the recipes
# *_paper take the self-training as the paper describes it.
_interval, _length = 10000, 60000
_warmup = dict(config='warmup_{setting}.py')
_labels = dict(
    _warmup, type='pseudo_labels', criterion='max_prob', fraction=1.0, levels='compact', batch_size=4, soft=True
)
recipes = dict()
for _key, _targets in dict(two_targets=range(2), three_targets=range(3)).items():
    for _kind in ('', '_paper'):
        _stages = [dict(_warmup, name='warmup', type='train')]
        for _n in range(_length // _interval):
            _start = '{warmup}/latest.pth' if _n == 0 else f'{{training{_n - 1}}}/latest.pth'
            _stages += [
                dict(
                    _labels,
                    name=f'labels{_n}_{_i}',
                    checkpoint=_start,
                    data=f'data.train.target.{_i}',
                    test_with=f'domain{_i}',
                )
                for _i in _targets
            ]
            _options = {
                'runner.max_iters': _interval * (_n + 1),
                **{f'data.train.target.{_i}.folder': f'{{labels{_n}_{_i}}}' for _i in _targets},
            }
            _stages.append(
                dict(
                    name=f'training{_n}',
                    type='train',
                    config=f'coast_{{setting}}{_kind}.py',
                    options=_options,
                    **{'resume_from' if _n else 'load_from': _start},
                )
            )
        recipes[f'{_key}{_kind}'] = _stages
