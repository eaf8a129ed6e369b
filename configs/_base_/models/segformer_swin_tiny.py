# SegFormer's all-MLP head on timm's Swin-T.
_base_ = ['segformer_b0.py']
model = dict(
    pretrained='pretrained/swin_tiny.safetensors',
    backbone=dict(_delete_=True, type='TimmEncoder', model_name='swin_tiny_patch4_window7_224'),
    decode_head=dict(in_channels=[96, 192, 384, 768]),
)
