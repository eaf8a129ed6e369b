# Three synthetic sources as one stream to Cityscapes; every data set gives a third of the source images.
_base_ = ['vfm_gta_to_cityscapes_1024x1024.py']
data = dict(
    train=dict(
        source=dict(
            _delete_=True, type='ConcatDataset', datasets=[{{_base_.gta}}, {{_base_.synthia}}, {{_base_.urbansyn}}]
        ),
        shares=dict(source=[1 / 3, 1 / 3, 1 / 3]),
    )
)
