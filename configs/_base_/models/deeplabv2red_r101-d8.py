# DeepLabV2 (two dilations) on ResNet-101: the CNN of the self-training family.
_base_ = ['./deeplabv2red_r50-d8.py']
model = dict(pretrained='open-mmlab://resnet101_v1c', backbone=dict(depth=101))
