# As advent_120k with the effective rates of the released optimiser, which lists every convolution once per enclosing module and
# therefore steps it several times: bottlenecks three times, projections four times, the first convolution once.
_base_ = ['advent_120k.py']
optimizer = dict(
    segmentor=dict(
        paramwise_cfg=dict(
            custom_keys={
                'backbone.layer': dict(lr_mult=3.0),
                'downsample.0.weight': dict(lr_mult=4.0),
            }
        )
    )
)
