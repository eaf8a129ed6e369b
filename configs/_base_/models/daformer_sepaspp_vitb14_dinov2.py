# The DAFormer head on DINOv2 ViT-B/14: four blocks, brought to strides 3.5, 7, 14, 28 by MMSegmentation's Feature2Pyramid.
_base_ = ['daformer_sepaspp_mitb5.py']
model = dict(
    pretrained='pretrained/dinov2_vitb14_pretrain.pth',
    backbone=dict(_delete_=True, type='TimmEncoder', model_name='vit_base_patch14_dinov2'),
    neck=dict(type='Feature2Pyramid', embed_dim=768, rescales=[4, 2, 1, 0.5], norm_cfg=dict(type='BN')),
    decode_head=dict(in_channels=[768, 768, 768, 768]),
)
