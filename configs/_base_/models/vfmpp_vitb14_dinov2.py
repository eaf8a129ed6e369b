# VFM-UDA++: DINOv2 ViT-B/14 with a ViT-Adapter, and the pyramid head.
_base_ = ['vfmpp_vitl14_dinov2.py']
model = dict(
    backbone=dict(model_name='vit_base_patch14_dinov2', pretrained='pretrained/dinov2_vitb14_pretrain.pth'),
    decode_head=dict(in_channels=768),
)
