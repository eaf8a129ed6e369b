# DA-VSN: VIPER to Cityscapes-Seq.
_base_ = ['../_base_/recipes/davsn_accel_deeplabv2_r101.py', '../_base_/datasets/video_viper_to_cityscapes_seq.py']
model = dict(fusion=dict(warp='splat', flow_scale='height'))
