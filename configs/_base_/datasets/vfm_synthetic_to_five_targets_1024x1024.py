# Three synthetic sources as one stream to Cityscapes, BDD100K, Mapillary Vistas, ACDC and Dark Zurich as another; scored on Cityscapes.
_base_ = ['vfm_gta_to_cityscapes_1024x1024.py']
data = dict(
    train=dict(
        source=dict(
            _delete_=True, type='ConcatDataset', datasets=[{{_base_.gta}}, {{_base_.synthia}}, {{_base_.synscapes}}]
        ),
        target=dict(
            _delete_=True,
            type='ConcatDataset',
            datasets=[
                {{_base_.cityscapes}},
                {{_base_.bdd100k}},
                {{_base_.mapillary}},
                {{_base_.acdc}},
                {{_base_.dark_zurich}},
            ],
        ),
    )
)
