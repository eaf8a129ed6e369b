# DSTC, co-training: GTA5 and 1000 labelled Cityscapes images, DeepLabV2 on ResNet-101. The recipe
# gta_to_cityscapes_1000labels_deeplabv2_r101_stages.py makes the warm-ups and runs this config.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv2_dstc_r101.py',
    '../_base_/datasets/dstc_gta_to_cityscapes_1000labels.py',
    '../_base_/uda/dstc.py',
    '../_base_/schedules/dstc_120k.py',
]
