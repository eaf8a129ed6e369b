# STAL's crops as released, with SYNTHIA as the source, in the 19 classes of Cityscapes; labels are resized to the nearest pixel.
_base_ = ['stal_official_gta_to_cityscapes_769x769.py']
data = dict(
    train=dict(
        source=dict(type='SynthiaDataset', data_root={{_base_.roots.synthia}}, img_dir='RGB', ann_dir='GT/LABELS')
    )
)
