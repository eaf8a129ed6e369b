# Oracle: supervised training on the toy world's European city.
_base_ = ['toy_gta_128x256.py']
data = dict(
    train=dict(
        source=dict(
            type='CityscapesDataset',
            data_root={{_base_.roots.toy_cityscapes}},
            img_dir='leftImg8bit/train',
            ann_dir='gtFine/train',
        )
    )
)
