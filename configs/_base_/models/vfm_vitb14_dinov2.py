# VFM-UDA: DINOv2 ViT-B/14 and the light head.
_base_ = ['vfm_vitl14_dinov2.py']
model = dict(
    backbone=dict(
        model_name='vit_base_patch14_dinov2', pretrained='pretrained/dinov2_vitb14_pretrain.pth', out_indices=(11,)
    ),
    decode_head=dict(in_channels=768),
)
