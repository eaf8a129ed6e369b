# The toy videos frame by frame, for image methods: the game's drives (labelled) to the European city.
_base_ = ['uda_toy_gta_to_toy_cityscapes_128x256.py']
_val = dict(
    type='CityscapesSeqDataset',
    data_root={{_base_.roots.toy_cityscapes_seq}},
    img_dir='leftImg8bit_sequence/val',
    ann_dir='gtFine/val',
)
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=1,
    train=dict(
        source=dict(
            type='ViperSeqDataset', data_root={{_base_.roots.toy_viper_seq}}, img_dir='train/img', ann_dir='train/cls'
        ),
        target=dict(
            type='CityscapesSeqDataset',
            data_root={{_base_.roots.toy_cityscapes_seq}},
            img_dir='leftImg8bit_sequence/train',
        ),
    ),
    val=_val,
    test=_val,
)
