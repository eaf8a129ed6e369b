# CoaST, G2CM: GTA5 to Cityscapes and Mapillary Vistas, 19 classes. A recipe for tools/run_stages.py.
# Labels come from the warm-up and are renewed every 10000 iterations of the self-training.
_warmup, _training = dict(config='warmup_gta_to_cityscapes_mapillary_19cls.py'), dict(config='coast_gta_to_cityscapes_mapillary_19cls.py')
_labels = dict(_warmup, type='pseudo_labels', criterion='max_prob', fraction=1.0, levels='compact', batch_size=4, soft=True)
stages = [dict(_warmup, name='warmup', type='train')]
for _n in range(6):
    _start = '{warmup}/latest.pth' if _n == 0 else f'{{training{_n - 1}}}/latest.pth'
    stages += [dict(_labels, name=f'labels{_n}_{i}', checkpoint=_start, data=f'data.train.target.{i}', test_with=f'domain{i}')
               for i in range(2)]
    _options = {'runner.max_iters': 10000 * (_n + 1), **{f'data.train.target.{i}.folder': f'{{labels{_n}_{i}}}' for i in range(2)}}
    stages.append(dict(_training, name=f'training{_n}', type='train', options=_options, **{'resume_from' if _n else 'load_from': _start}))
