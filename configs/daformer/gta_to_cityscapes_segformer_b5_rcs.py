# DACS with rare-class sampling alone: GTA5 to Cityscapes, SegFormer-B5.
_base_ = ['../dacs/gta_to_cityscapes_segformer_b5.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))
