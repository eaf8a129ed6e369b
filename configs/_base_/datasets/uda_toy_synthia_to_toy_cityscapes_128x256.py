# The toy world: synthetic-random appearance (labelled, 16-bit label files) to European city.
_base_ = ['uda_toy_gta_to_toy_cityscapes_128x256.py']
data = dict(
    train=dict(
        source=dict(type='SynthiaDataset', data_root={{_base_.roots.toy_synthia}}, img_dir='RGB', ann_dir='GT/LABELS')
    )
)
