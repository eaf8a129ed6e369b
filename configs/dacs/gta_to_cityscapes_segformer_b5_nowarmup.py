# DACS without warm-up, as the DAFormer paper ablates it: the backbone's rate rises to min_lr (see poly10.py). GTA5 to Cityscapes, SegFormer-B5.
_base_ = ['./gta_to_cityscapes_segformer_b5.py']
lr_config = dict(_delete_=True, policy='poly', power=1.0, min_lr=1e-4, by_epoch=False)
