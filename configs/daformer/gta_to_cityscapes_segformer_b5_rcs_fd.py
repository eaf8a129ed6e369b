# DACS with rare-class sampling and feature distance: GTA5 to Cityscapes, SegFormer-B5.
_base_ = ['./gta_to_cityscapes_segformer_b5_fd.py']
data = dict(train=dict(rare_class_sampling=dict(min_pixels=3000, class_temp=0.01, min_crop_ratio=0.5)))
