# Video QuadMix as released (CNN) after its TPS: VIPER to Cityscapes-Seq. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/quadmix_video.py']
setting = 'viper_to_cityscapes_seq_accel_deeplabv2_r101'
stages = {{_base_.released}}
