# MIC on adversarial training: GTA5 to Cityscapes, DeepLabV2 (two dilations) on ResNet-101, least-squares discriminator.
_base_ = ['../_base_/recipes/mic_adaptation_deeplabv2_r101.py', '../_base_/datasets/uda_gta_to_cityscapes_512x512.py']
uda = dict(type='AdaptSegNet', lambda_adv=dict(decode=0.001), domain_loss='mse')
optimizer = dict(discriminator=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)))
lr_config = dict(
    _delete_=True,
    segmentor={{_base_.lr_config}},
    discriminator=dict(policy='poly', power=0.9, min_lr=0.0, by_epoch=False),
)
