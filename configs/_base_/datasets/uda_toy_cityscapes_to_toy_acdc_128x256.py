# The toy world: European city by day (labelled) to night and fog.
_base_ = ['toy_cityscapes_128x256.py']
_acdc_val = dict(type='ACDCDataset', data_root={{_base_.roots.toy_acdc}}, img_dir='rgb_anon/val', ann_dir='gt/val')
data = dict(
    train=dict(
        target=dict(
            _delete_=True,
            type='ACDCDataset',
            data_root={{_base_.roots.toy_acdc}},
            img_dir='rgb_anon/train',
            pipeline=[{{_base_.crops}}],
        )
    ),
    val=_acdc_val,
    test=_acdc_val,
)
