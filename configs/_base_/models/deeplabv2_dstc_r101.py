# DeepLabV2 of DSTC: one classifier of four dilations, pooling that rounds down (512 x 512 gives 64 x 64), batch norm with frozen affine
# part and live statistics. The weights are the Caffe ImageNet file of AdaptSegNet.
model = dict(
    type='EncoderDecoder',
    pretrained='pretrained/DeepLab_resnet_pretrained_init-f81d91e8.pth',
    backbone=dict(type='AdventResNet', depth=101, out_indices=(3,), pool_ceil_mode=False),
    decode_head=dict(
        type='AdventHead',
        in_channels=2048,
        in_index=0,
        dilations=(6, 12, 18, 24),
        align_corners=False,
        loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
