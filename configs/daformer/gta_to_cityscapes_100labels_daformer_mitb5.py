# DAFormer with 100 labelled images: GTA5 to Cityscapes, the DAFormer network (MiT-B5).
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/daformer_sepaspp_mitb5.py',
    '../_base_/datasets/ssda_gta_to_cityscapes_512x512.py',
    '../_base_/uda/daformer.py',
    '../_base_/schedules/uda_40k_mit.py',
]
uda = dict(pseudo_weight_ignore_top=15, pseudo_weight_ignore_bottom=120, labeled_target=dict(supervise=1.0))
data = dict(train=dict(rare_class_sampling=dict(min_pixels=3000, class_temp=0.01, min_crop_ratio=0.5)))
