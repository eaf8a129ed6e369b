# MIC on DAFormer's training: GTA5 to Cityscapes, DeepLabV2 (two dilations) on ResNet-101.
_base_ = ['../daformer/gta_to_cityscapes_deeplabv2_r101.py']
uda = dict(
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=32),
)
