# DeepLabV2 as in AdaptSegNet, ADVENT, BDL and ESL: two classifiers, batch norm with frozen affine part and live statistics.
# The weights are the Caffe ImageNet file that ADVENT publishes (DeepLab_resnet_pretrained_imagenet.pth).
_classifier = dict(type='AdventHead', dilations=(6, 12, 18, 24), align_corners=True)
model = dict(
    type='EncoderDecoder',
    pretrained='pretrained/DeepLab_resnet_pretrained_imagenet.pth',
    backbone=dict(type='AdventResNet', depth=101),
    decode_head=dict(
        in_channels=2048, in_index=1, loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=1.0), **_classifier
    ),
    auxiliary_head=dict(
        in_channels=1024, in_index=0, loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=0.1), **_classifier
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
