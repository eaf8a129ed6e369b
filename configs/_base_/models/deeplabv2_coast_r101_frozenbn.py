# As deeplabv2_coast_r101 for the warm-up: batch norm keeps the ImageNet file's statistics and affine part.
_base_ = ['deeplabv2_coast_r101.py']
model = dict(backbone=dict(norm_cfg=dict(requires_grad=False), norm_eval=True))
