# Oracle: supervised training on CamVid at dusk, with the labels that adaptation does not see.
_base_ = ['uda_camvid_day_to_dusk_256x256.py']
data = dict(train=dict(source=dict(split='splits/dusk_train.txt'), target=None))
