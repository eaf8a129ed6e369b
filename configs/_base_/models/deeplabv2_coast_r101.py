# CoaST's DeepLabV2 (from ProDA): torchvision's ImageNet weights in a network whose stride is in the first 1x1 convolution of a
# bottleneck, a large classifier with group norm and a channel gate. Batch norm is trained; images have values 0..1.
model = dict(
    type='EncoderDecoder',
    pretrained='torchvision://resnet101',
    backbone=dict(type='AdventResNet', depth=101, out_indices=(3,), norm_cfg=dict(type='BN', requires_grad=True)),
    decode_head=dict(
        type='SEASPPHead',
        in_channels=2048,
        in_index=0,
        channels=256,
        num_groups=32,
        dilations=(6, 12, 18, 24),
        dropout_ratio=0.1,
        align_corners=True,
        loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
