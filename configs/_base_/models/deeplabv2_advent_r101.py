# DeepLabV2 as in AdaptSegNet, ADVENT, BDL and ESL: two classifiers, batch norm with frozen affine part and live statistics.
# The weights are the Caffe ImageNet file that ADVENT publishes (DeepLab_resnet_pretrained_imagenet.pth).
model = dict(
    type='EncoderDecoder',
    pretrained='pretrained/DeepLab_resnet_pretrained_imagenet.pth',
    backbone=dict(type='AdventResNet', depth=101),
    decode_head=dict(
        type='AdventHead',
        in_channels=2048,
        in_index=1,
        dilations=(6, 12, 18, 24),
        num_classes=19,
        align_corners=True,
        loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=1.0)),
    auxiliary_head=dict(
        type='AdventHead',
        in_channels=1024,
        in_index=0,
        dilations=(6, 12, 18, 24),
        num_classes=19,
        align_corners=True,
        loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=0.1)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
