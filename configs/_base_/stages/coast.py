# CoaST's recipe by number of targets, for tools/run_stages.py: labels come from the warm-up and are renewed every 10000 iterations of the
# self-training. A recipe names its setting, which stands for the end of the configs' names.
_warmup, _training = dict(config='warmup_{setting}.py'), dict(config='coast_{setting}.py')
_labels = dict(_warmup, type='pseudo_labels', criterion='max_prob', fraction=1.0, levels='compact', batch_size=4, soft=True)
recipes = dict()
for _key, _targets in dict(two_targets=range(2), three_targets=range(3)).items():
    _stages = [dict(_warmup, name='warmup', type='train')]
    for _n in range(6):
        _start = '{warmup}/latest.pth' if _n == 0 else f'{{training{_n - 1}}}/latest.pth'
        _stages += [dict(_labels, name=f'labels{_n}_{_i}', checkpoint=_start, data=f'data.train.target.{_i}', test_with=f'domain{_i}')
                    for _i in _targets]
        _options = {'runner.max_iters': 10000 * (_n + 1), **{f'data.train.target.{_i}.folder': f'{{labels{_n}_{_i}}}' for _i in _targets}}
        _stages.append(dict(_training, name=f'training{_n}', type='train', options=_options, **{'resume_from' if _n else 'load_from': _start}))
    recipes[_key] = _stages
