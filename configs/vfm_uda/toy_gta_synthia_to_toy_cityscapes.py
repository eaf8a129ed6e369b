# VFM-UDA on a small vision transformer: the toy world, two sources as one stream, half of the samples each.
_base_ = ['toy_gta_to_toy_cityscapes.py']
_synthia = dict(
    type='SynthiaDataset',
    data_root={{_base_.roots.toy_synthia}},
    img_dir='RGB',
    ann_dir='GT/LABELS',
    pipeline={{_base_.data.train.source.pipeline}},
)
data = dict(
    train=dict(
        source=dict(_delete_=True, type='ConcatDataset', datasets=[{{_base_.data.train.source}}, _synthia]),
        shares=dict(source=[0.5, 0.5]),
    )
)
