# MinEnt with the class prior: classes must not vanish from the target's predictions. SYNTHIA to Cityscapes (16 classes).
_base_ = ['synthia_to_cityscapes_deeplabv2_r101.py']
uda = dict(lambda_prior=dict(decode=0.001, aux=0.0002), prior_slack=0.5)
