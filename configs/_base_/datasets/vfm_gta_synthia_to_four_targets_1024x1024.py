# Two synthetic sources to Cityscapes, ACDC, Dark Zurich and Mapillary Vistas, all targets as one stream without labels; scored on Cityscapes.
_base_ = ['vfm_gta_synthia_to_cityscapes_1024x1024.py']
data = dict(
    train=dict(
        target=dict(
            _delete_=True,
            type='ConcatDataset',
            datasets=[{{_base_.cityscapes}}, {{_base_.acdc}}, {{_base_.dark_zurich}}, {{_base_.mapillary}}],
        )
    )
)
