# Cityscapes (day, labelled) to Dark Zurich (night), both at half resolution.
_base_ = ['uda_cityscapes_to_acdc_512x512.py']
data = dict(
    train=dict(
        target=dict(type='DarkZurichDataset', data_root={{_base_.roots.dark_zurich}}, img_dir='rgb_anon/train/night')
    ),
    val=dict(type='DarkZurichDataset', data_root={{_base_.roots.dark_zurich}}),
    test=dict(type='DarkZurichDataset', data_root={{_base_.roots.dark_zurich}}),
)
