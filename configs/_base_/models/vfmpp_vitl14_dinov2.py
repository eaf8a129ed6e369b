# VFM-UDA++: DINOv2 ViT-L/14 with a ViT-Adapter, and the pyramid head. The adapter starts from random weights with its injections switched
# off; the released one was trained on ImageNet first.
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='ViTAdapter',
        model_name='vit_large_patch14_dinov2',
        pretrained='pretrained/dinov2_vitl14_pretrain.pth',
        input_scale=1.1,
    ),
    decode_head=dict(
        type='VFMPyramidHead',
        in_channels=1024,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0, avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(512, 512), average='probabilities'),
)
