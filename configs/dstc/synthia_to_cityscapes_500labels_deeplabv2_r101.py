# DSTC, co-training: SYNTHIA and 500 labelled Cityscapes images, DeepLabV2 on ResNet-101. The recipe
# synthia_to_cityscapes_500labels_deeplabv2_r101_stages.py makes the warm-ups and runs this config.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_dstc_r101.py',
    '../_base_/datasets/dstc_synthia_to_cityscapes_500labels.py',
    '../_base_/uda/dstc.py',
    '../_base_/schedules/dstc_120k.py',
]
model = dict(decode_head=dict(num_classes=16))
