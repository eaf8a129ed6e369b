# STAL on CamVid: by day (labelled), bought dusk frames (labelled), the other dusk frames (unlabelled).
_base_ = ['../datasets/uda_camvid_day_to_dusk_256x256.py']
data = dict(
    samples_per_gpu=2,
    train=dict(
        target=dict(split='active/unlabeled.txt'),
        labeled_target=dict(
            type='CamVidDataset', ann_dir='labels', split='active/labeled.txt', pipeline=[{{_base_.crops}}]
        ),
    ),
)
active = dict(
    pool=dict(type='CamVidDataset', ann_dir='labels', split='splits/dusk_train.txt'),
    folder={{_base_.bought.camvid}},
    initial=dict(count=1, seed=0),
    budget=dict(images=[2, 3]),
    acquisition=dict(type='MeanEntropy'),
    view=dict(mode='whole'),
)
