# DeepLabV2 of the DACS release of 2020: one classifier of which two dilations act; backbone from MS-COCO segmentation weights.
_base_ = ['./deeplabv2_advent_r101.py']
model = dict(
    pretrained='pretrained/resnet101COCO-41f33a49.pth',
    decode_head=dict(
        num_active_branches=2,
        loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=1.0, all_pixels_when_weighted=True),
    ),
    auxiliary_head=None,
)
