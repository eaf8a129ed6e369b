# SegFormer's all-MLP head on timm's ConvNeXt-T (ImageNet-1k; DINOv3's convnext_tiny takes the same config with its own file).
_base_ = ['segformer_b0.py']
model = dict(
    pretrained='pretrained/convnext_tiny.safetensors',
    backbone=dict(_delete_=True, type='TimmEncoder', model_name='convnext_tiny', drop_path_rate=0.1),
    decode_head=dict(in_channels=[96, 192, 384, 768]),
)
