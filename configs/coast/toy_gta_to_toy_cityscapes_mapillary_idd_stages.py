# CoaST: the toy world's rendered game to its European city, phone photographs and Indian roads. A recipe for tools/run_stages.py.
_warmup = dict(config='warmup_toy_gta_to_toy_cityscapes_mapillary_idd.py')
_labels = dict(_warmup, type='pseudo_labels', checkpoint='{warmup}/latest.pth', criterion='max_prob', fraction=1.0, levels='compact', batch_size=4)
stages = [
    dict(_warmup, name='warmup', type='train'),
    *(dict(_labels, name=f'labels{i}', data=f'data.train.target.{i}', test_with=f'domain{i}') for i in range(3)),
    dict(name='selftraining', type='train', config='coast_toy_gta_to_toy_cityscapes_mapillary_idd.py', load_from='{warmup}/latest.pth',
         options={f'data.train.target.{i}.folder': f'{{labels{i}}}' for i in range(3)}),
]
