# CoaST, first stage, G2CI: GTA5 to Cityscapes and IDD, 19 classes, with DAFormer's network; our choice.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/daformer_sepaspp_mitb5.py',
    '../_base_/datasets/mtda_19cls_imagenet.py',
    '../_base_/uda/coast_warmup.py',
    '../_base_/schedules/coast_warmup_20k_mit.py',
]
data = {{_base_.settings.gta_to_cityscapes_idd}}
