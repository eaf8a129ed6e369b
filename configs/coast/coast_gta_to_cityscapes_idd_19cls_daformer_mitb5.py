# CoaST, second stage, G2CI: GTA5 to Cityscapes and IDD, 19 classes, with DAFormer's network; losses, statistics and labels as in the paper.
# gta_to_cityscapes_idd_19cls_daformer_mitb5_stages.py runs both stages.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/daformer_sepaspp_mitb5.py',
    '../_base_/datasets/coast_paper_19cls_imagenet.py',
    '../_base_/uda/coast.py',
    '../_base_/schedules/coast_60k_mit.py',
]
_layers = [f'layers.{stage}.blocks.{i}' for stage in (0, 1) for i in (0, 1)]
uda = dict(styliser=dict(layers=_layers))
data = {{_base_.settings.gta_to_cityscapes_idd}}
