# The light head of VFM-UDA on DINOv3 ViT-S/16; images keep their size (1024 = 64 patches).
_base_ = ['vfm_vitl14_dinov2.py']
model = dict(
    backbone=dict(
        model_name='vit_small_patch16_dinov3_qkvb',
        pretrained='pretrained/dinov3_vits16.safetensors',
        out_indices=(11,),
        input_scale=1.0,
    ),
    decode_head=dict(in_channels=384),
)
