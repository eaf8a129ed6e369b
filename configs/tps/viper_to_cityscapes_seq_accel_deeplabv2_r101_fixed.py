# TPS with the defaults of the class: VIPER to Cityscapes-Seq.
_base_ = ['../_base_/recipes/tps_fixed_accel_deeplabv2_r101.py', '../_base_/datasets/video_viper_to_cityscapes_seq.py']
uda = dict(lambda_t=0.1)
optimizer = dict(lr=1e-4)
