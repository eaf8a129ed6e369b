# VFM-UDA: DINOv2 ViT-L/14 and the light head. Images are enlarged by 1.1 inside the encoder (1024 -> 1120 = 80 patches).
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='TimmEncoder',
        model_name='vit_large_patch14_dinov2',
        pretrained='pretrained/dinov2_vitl14_pretrain.pth',
        out_indices=(23,),
        final_norm='last',
        input_scale=1.1,
    ),
    decode_head=dict(
        type='VFMHead',
        in_channels=1024,
        in_index=0,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0, avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(512, 512), average='probabilities'),
)
