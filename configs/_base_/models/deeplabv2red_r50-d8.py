# As deeplabv2red_r101-d8.py on ResNet-50 (decoder study).
_base_ = ['./deeplabv2red_r101-d8.py']
model = dict(pretrained='open-mmlab://resnet50_v1c', backbone=dict(depth=50))
