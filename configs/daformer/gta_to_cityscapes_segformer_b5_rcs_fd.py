# DACS with rare-class sampling and feature distance: GTA5 to Cityscapes, SegFormer-B5.
_base_ = ['./gta_to_cityscapes_segformer_b5_fd.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
