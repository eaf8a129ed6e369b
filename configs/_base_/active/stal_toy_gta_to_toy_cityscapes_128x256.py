# STAL on the toy world: rendered game and bought city images (labelled), the other city images (unlabelled).
_base_ = ['../datasets/uda_toy_gta_to_toy_cityscapes_128x256.py']
toy_train = dict(type='CityscapesDataset', data_root={{_base_.roots.toy_cityscapes}}, img_dir='leftImg8bit/train')
data = dict(
    samples_per_gpu=2,
    train=dict(
        target=dict(split='active/unlabeled.txt'),
        labeled_target=dict(
            **toy_train, ann_dir='gtFine/train', split='active/labeled.txt', pipeline=[{{_base_.crops}}]
        ),
    ),
)
active = dict(
    pool=dict(**toy_train, ann_dir='gtFine/train'),
    folder={{_base_.bought.toy_cityscapes}},
    initial=dict(count=3, seed=0),
    budget=dict(images=[4, 8]),
    acquisition=dict(type='MeanEntropy'),
    view=dict(mode='whole'),
)
