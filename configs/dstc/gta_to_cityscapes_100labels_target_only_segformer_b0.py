# Target-only with SegFormer-B0: supervised training on 100 labelled Cityscapes images.
_base_ = ['gta_to_cityscapes_100labels_st_segformer_b0.py']
data = dict(train=dict(source=None))
