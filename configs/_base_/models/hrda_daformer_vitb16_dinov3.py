# HRDA with the DAFormer head on DINOv3 ViT-B/16 and a pyramid neck.
_base_ = ['hrda_daformer_mitb5.py']
model = dict(
    pretrained='pretrained/dinov3_vitb16.safetensors',
    backbone=dict(_delete_=True, type='TimmEncoder', model_name='vit_base_patch16_dinov3'),
    neck=dict(type='Feature2Pyramid', embed_dim=768, rescales=[4, 2, 1, 0.5], norm_cfg=dict(type='BN')),
    decode_head=dict(in_channels=[768, 768, 768, 768]),
)
