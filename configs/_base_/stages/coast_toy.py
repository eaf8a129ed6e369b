# CoaST's recipe for the toy world by number of targets, for tools/run_stages.py: labels are made once. A recipe names its setting. A short
# warm-up leaves small classes unnamed: labels of every pixel, as published, would teach that; the surest half of every class does not.
_warmup = dict(config='warmup_{setting}.py')
_labels = dict(
    _warmup,
    type='pseudo_labels',
    checkpoint='{warmup}/latest.pth',
    criterion='max_prob',
    fraction=0.5,
    levels='compact',
    batch_size=4,
)
recipes = {
    _key: [
        dict(_warmup, name='warmup', type='train'),
        *(
            dict(_labels, name=f'labels{_i}', data=f'data.train.target.{_i}', test_with=f'domain{_i}')
            for _i in range(_number)
        ),
        dict(
            name='selftraining',
            type='train',
            config='coast_{setting}.py',
            load_from='{warmup}/latest.pth',
            options={f'data.train.target.{_i}.folder': f'{{labels{_i}}}' for _i in range(_number)},
        ),
    ]
    for _key, _number in dict(two_targets=2, three_targets=3).items()
}
