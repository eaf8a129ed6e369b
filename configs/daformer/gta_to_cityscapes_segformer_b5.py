# DAFormer's whole training (slower teacher, margins) of SegFormer-B5: GTA5 to Cityscapes.
_base_ = ['./gta_to_cityscapes_segformer_b5_rcs_fd.py']
uda = dict(alpha=0.999, pseudo_weight_ignore_top=15, pseudo_weight_ignore_bottom=120)
